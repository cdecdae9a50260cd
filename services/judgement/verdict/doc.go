// Package verdict says of a job that ended who has to act, and which line of its log shows it.
//
// A [Scan] takes the records of a job's log in order, in bounded memory whatever their number, and
// notes signs: lines that a kernel, a boot loader, a console server or a program of the worker prints
// when something is wrong. The table of signs ([signs]) names for each what it means and how much it
// weighs. [Scan.Decide] then weighs them against how the job ended, as its last fact tells: it reads no
// clock and no network, and the same log always gives the same verdict.
//
// What decides, in this order:
//
//  1. A job that was canceled is canceled.
//  2. What only the lab can have done wrong (its settings, a lost worker, a fault of Strata) is the lab's.
//  3. A kernel that crashed while the last attempt ran explains whatever came after it, a closed console
//     and a missed prompt too: the software is to blame, and the line is where the first report of the
//     crash begins, not the panic that only follows from it.
//  4. Then come the signs of the lab: network, console, power, hardware, host.
//  5. Then those of what the job brought: images, root file systems, logins, commands.
//  6. Where no line says anything, the class of the dispatcher's error does, and the stage that the
//     device had reached: silence before its firmware spoke is the lab's, silence after the kernel was
//     started is the kernel's.
//
// A sign of trouble that was overcome (a network that answered at the second try, a boot that came after
// a reset in an attempt that failed) counts for nothing where the job did not fail of it.
//
// [ReadLog] reads logs of Strata and of LAVA, and [ReadConsole] what a console printed with no job around it.
package verdict
