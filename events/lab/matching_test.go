package lab

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"strata/events"
)

// TestMatching compares with all choices that there are: who can be served is, and of several choices it is the
// one that gives the first part its best device, then the second.
func TestMatching(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 7))
		var devices []*Device
		for i := range 1 + r.IntN(6) {
			devices = append(devices, &Device{Name: events.DeviceName(fmt.Sprint("q", i)), Worker: events.WorkerName(fmt.Sprint("w", r.IntN(3))), State: DeviceIdle})
			if r.IntN(4) == 0 {
				devices[i].State = DeviceRunning // counts for none
			}
		}
		limit := map[events.WorkerName]int{"w0": r.IntN(3), "w1": 1 + r.IntN(2)}
		room := func(d *Device) (int, bool) {
			n, limited := limit[d.Worker]
			return n, limited && d.State == DeviceIdle
		}
		fits := make([][]*Device, 1+r.IntN(4))
		for i := range fits {
			for _, d := range r.Perm(len(devices)) {
				if r.IntN(3) > 0 {
					fits[i] = append(fits[i], devices[d])
				}
			}
		}
		got, want := NewMatching(fits, room).All(), firstChoice(fits, room)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, limits %v: parts that could have %s\n got %s\nwant %s", seed, limit, called(fits...), called(got), called(want))
		}
	}
}

// TestMatchingSaysWhatIsShort has two parts that want the one device with room, and one that has its own.
func TestMatchingSaysWhatIsShort(t *testing.T) {
	a, b, c := &Device{Name: "a", Worker: "w1"}, &Device{Name: "b", Worker: "w1"}, &Device{Name: "c", Worker: "w2"}
	m := NewMatching([][]*Device{{a, b}, {c}, {b, a}}, func(d *Device) (int, bool) { return 1, d.Worker == "w1" })
	if !m.Serve(0) || !m.Serve(1) || m.Serve(2) {
		t.Fatal("want the first two parts served and the third not")
	}
	if !m.Served(0) || m.Served(2) || !m.Short(0) || m.Short(1) || !m.Short(2) {
		t.Error("want parts 0 and 2 to compete, and 0 to have a device")
	}
	if !m.Contested(a) || !m.Contested(b) || m.Contested(c) || !m.Full("w1") || m.Full("w2") {
		t.Error("want a and b contested and w1 full")
	}
}

// firstChoice tries all choices in the order in which parts come first.
func firstChoice(fits [][]*Device, room func(*Device) (int, bool)) []*Device {
	order := make([]int, len(fits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(fits[a]) - len(fits[b]) })
	chosen, used := make([]*Device, len(fits)), map[events.WorkerName]int{}
	var choose func(order []int) bool
	choose = func(order []int) bool {
		if len(order) == 0 {
			return true
		}
		for _, d := range fits[order[0]] {
			most, limited := room(d)
			if slices.Contains(chosen, d) || limited && used[d.Worker] >= most {
				continue
			}
			chosen[order[0]] = d
			if limited {
				used[d.Worker]++
			}
			if choose(order[1:]) {
				return true
			}
			chosen[order[0]] = nil
			if limited {
				used[d.Worker]--
			}
		}
		return false
	}
	if !choose(order) {
		return nil
	}
	return chosen
}

// called names devices.
func called(lists ...[]*Device) (text string) {
	for _, list := range lists {
		for _, d := range list {
			text += fmt.Sprintf("%s(%s,%s) ", d.Name, d.Worker, d.State)
		}
		text += "; "
	}
	return text
}
