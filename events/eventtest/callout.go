package eventtest

import "github.com/nats-io/nats-server/v2/server"

// Callout returns what [Options].Server needs for a broker that asks a responder for the rights of
// everybody but one user: in one account, with answers signed by issuer (a public account key).
func Callout(issuer, account, user, password string) func(*server.Options) {
	return func(o *server.Options) {
		lab := server.NewAccount(account)
		o.Accounts = []*server.Account{lab, server.NewAccount("SYS")}
		o.SystemAccount = "SYS"
		o.Users = []*server.User{{Username: user, Password: password, Account: lab}}
		o.AuthCallout = &server.AuthCallout{Issuer: issuer, Account: account, AuthUsers: []string{user}}
	}
}
