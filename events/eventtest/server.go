package eventtest

import (
	"github.com/nats-io/nats-server/v2/server"

	"strata/events/access"
)

// Callout returns what [Options].Server needs for a broker that asks a responder for the rights of
// everybody but one user: in one account, with answers signed by issuer (a public account key). The
// password is also that of [access.SystemUser] in the system account.
func Callout(issuer, account, user, password string) func(*server.Options) {
	return func(o *server.Options) {
		lab, system := server.NewAccount(account), server.NewAccount("SYS")
		o.Accounts = []*server.Account{lab, system}
		o.SystemAccount = "SYS"
		o.Users = []*server.User{{Username: user, Password: password, Account: lab},
			{Username: access.SystemUser, Password: password, Account: system}}
		o.AuthTimeout = Patience.Seconds()
		o.AuthCallout = &server.AuthCallout{Issuer: issuer, Account: account, AuthUsers: []string{user, access.SystemUser}}
	}
}

// Unsynced is what [Options].Server needs for a broker that acknowledges before it syncs: for
// filling a stream that is then measured.
func Unsynced(o *server.Options) { o.SyncAlways = false }

// Accounts returns what [Options].Server needs for a broker with a lab's account and a system
// account, of the users "lab" and "sys" whose passwords are their names, and a monitoring port:
// both ways to ask whether it syncs, which it does where always says so.
func Accounts(always bool) func(*server.Options) {
	return func(o *server.Options) {
		o.SyncAlways = always
		o.HTTPHost, o.HTTPPort = "127.0.0.1", server.RANDOM_PORT
		o.Accounts = []*server.Account{server.NewAccount("LAB"), server.NewAccount("SYS")}
		o.SystemAccount = "SYS"
		o.Users = []*server.User{
			{Username: "lab", Password: "lab", Account: o.Accounts[0]},
			{Username: "sys", Password: "sys", Account: o.Accounts[1]},
		}
	}
}

// Websocket is what [Options].Server needs for a broker that listens for websockets too, without TLS, on a free port of the
// loopback: see [Broker.WebsocketURL].
func Websocket(o *server.Options) {
	o.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoTLS: true}
}
