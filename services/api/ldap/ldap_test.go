package ldap_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
	"strata/services/api/ldap"
)

const entries = `dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=reader,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reads

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice Example
givenName: Alice
sn: Example
mail: alice@example.com
userPassword: correct horse

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Builder
userPassword: battery staple

dn: uid=local,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: local
cn: local
sn: local
userPassword: would be king

dn: uid=twin,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: twin
cn: twin
sn: one
userPassword: twin

dn: cn=twin,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: twin
cn: twin
sn: two
userPassword: twin

dn: cn=linux,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: linux
member: uid=alice,ou=people,dc=example,dc=com

dn: cn=admins,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: admins
member: uid=bob,ou=people,dc=example,dc=com

dn: cn=firmware,ou=groups,dc=example,dc=com
objectClass: posixGroup
cn: firmware
gidNumber: 500
memberUid: bob
`

// server is a running slapd of Debian's.
type server struct {
	plain, secure string // addresses
	ca            string // file
}

// start runs a directory until the test ends. It gets an address of the loopback that no other test listens at: what is free
// there is free still when the directory takes it.
func start(t *testing.T, host string) server {
	t.Helper()
	slapd, add := program(t, "slapd"), program(t, "slapadd")
	dir := t.TempDir()
	s := server{plain: "ldap://" + free(t, host), secure: "ldaps://" + free(t, host), ca: filepath.Join(dir, "cert.pem")}
	certify(t, host, s.ca, filepath.Join(dir, "key.pem"))
	conf, data := filepath.Join(dir, "slapd.conf"), filepath.Join(dir, "data")
	text := fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
database mdb
suffix "dc=example,dc=com"
rootdn "cn=root,dc=example,dc=com"
directory %[2]s
maxsize 1073741824
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=people,dc=example,dc=com" by dn.exact="cn=reader,dc=example,dc=com" read by self read by anonymous auth by * none
access to * by users read by anonymous read
`, dir, data)
	for _, err := range []error{os.Mkdir(data, 0o700), os.WriteFile(conf, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "entries.ldif"), []byte(entries), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), add, "-f", conf, "-l", filepath.Join(dir, "entries.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v: %s", err, out)
	}
	cmd := exec.Command(slapd, "-d", "0", "-f", conf, "-h", s.plain+" "+s.secure)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing to keep
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.secure, "ldaps://"), time.Second)
		if err == nil {
			_ = conn.Close()
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("slapd does not answer: %v", err)
		}
	}
}

// program finds a program of Debian's package slapd.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil && os.Getenv("STRATA_REQUIRE_BOOT") != "" {
		t.Fatalf("%s is missing; make test-deps installs it", name)
	}
	if err != nil {
		t.Skipf("SKIPPED: %s is missing; make test-deps installs it", name)
	}
	return path
}

func free(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certify writes a certificate for a host that is its own authority.
func certify(t *testing.T, host, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "directory"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(host)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// settings are those of each way to find a user, over each way to the server.
func (s server) settings() map[string]ldap.Settings {
	groups := ldap.Settings{GroupSearch: "ou=groups,dc=example,dc=com", SuperGroup: "admins", Groups: []string{"kernel=CN=Linux, ou=groups,dc=example,dc=com", "firmware"}}
	with := func(change func(*ldap.Settings)) ldap.Settings { x := groups; change(&x); return x }
	return map[string]ldap.Settings{
		"template, TLS": with(func(x *ldap.Settings) {
			x.Server, x.CAFile, x.UserDN = s.secure, s.ca, "uid=%(user)s,ou=people,dc=example,dc=com"
		}),
		"search, StartTLS": with(func(x *ldap.Settings) {
			x.Server, x.CAFile, x.StartTLS, x.UserSearch = s.plain, s.ca, true, "ou=people,dc=example,dc=com"
			x.BindDN, x.BindPassword = "cn=reader,dc=example,dc=com", "reads"
		}),
		"the second server": with(func(x *ldap.Settings) {
			x.Server, x.CAFile, x.UserDN = "ldaps://127.0.0.1:1 "+s.secure, s.ca, "uid=%(user)s,ou=people,dc=example,dc=com"
		}),
	}
}

// TestCheck signs people in by a real directory.
func TestCheck(t *testing.T) {
	t.Parallel()
	s := start(t, "127.82.0.1")
	for name, settings := range s.settings() {
		t.Run(name, func(t *testing.T) {
			d, err := ldap.New(settings)
			if err != nil {
				t.Fatal(err)
			}
			v, err := d.Check(t.Context(), "alice", "correct horse")
			if err != nil || v.User != "alice" || v.Email != "alice@example.com" || v.FirstName != "Alice" || v.LastName != "Example" || v.Means != "ldap" || v.Identity != "ldap" || !v.Create ||
				!slices.Equal(v.Groups, []events.GroupName{"kernel"}) || !slices.Equal(v.Managed, []events.GroupName{"kernel", "firmware"}) || v.Superuser == nil || *v.Superuser || v.Staff != nil {
				t.Errorf("alice: got %+v, error %v", v, err)
			}
			v, err = d.Check(t.Context(), "BOB", "battery staple")
			if err != nil || v.User != "bob" || !slices.Equal(v.Groups, []events.GroupName{"firmware"}) || v.Superuser == nil || !*v.Superuser {
				t.Errorf("BOB: got %+v, error %v; want bob, as the directory spells it, a superuser", v, err)
			}
			for _, wrong := range [][2]string{{"alice", "wrong"}, {"alice", ""}, {"", "x"}, {"", ""}, {"nobody", "x"}, {"*", "correct horse"}, {"ali*", "correct horse"},
				{"alice)(uid=*", "correct horse"}, {"alice,ou=people", "correct horse"}, {"alice\x00", "correct horse"}, {"alice", "correct horse\x00"}} {
				if v, err := d.Check(t.Context(), wrong[0], wrong[1]); !errors.Is(err, api.ErrUnknownToken) {
					t.Errorf("%q with %q: got %+v, error %v; want ErrUnknownToken", wrong[0], wrong[1], v, err)
				}
			}
			if v, err := d.Check(t.Context(), " alice ", "correct horse"); err == nil {
				t.Errorf("a name with blanks: got %+v", v)
			}
		})
	}
}

// TestTroubles shows what is told when the directory cannot say who somebody is: never that the password is wrong.
func TestTroubles(t *testing.T) {
	t.Parallel()
	s := start(t, "127.82.0.2")
	base := s.settings()["search, StartTLS"]
	for name, tt := range map[string]struct {
		change func(*ldap.Settings)
		user   string
		want   string
	}{
		"nobody there":         {func(x *ldap.Settings) { x.Server = "ldap://127.0.0.1:1" }, "alice", "connection refused"},
		"an unknown authority": {func(x *ldap.Settings) { x.CAFile = "" }, "alice", "certificate"},
		"a reader's password":  {func(x *ldap.Settings) { x.BindPassword = "wrong" }, "alice", "bind as cn=reader"},
		"no such place":        {func(x *ldap.Settings) { x.UserSearch = "ou=nowhere,dc=example,dc=com" }, "alice", "ldap.user_search"},
		"two of a name":        {func(*ldap.Settings) {}, "twin", "several entries"},
		"another attribute":    {func(x *ldap.Settings) { x.NameAttr = "sn" }, "alice", "ldap.name_attribute"},
		"groups not there":     {func(x *ldap.Settings) { x.GroupSearch = "ou=nowhere,dc=example,dc=com" }, "alice", "groups"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := base
			tt.change(&settings)
			d, err := ldap.New(settings)
			if err != nil {
				t.Fatal(err)
			}
			passwords := map[string]string{"alice": "correct horse", "twin": "twin"}
			v, err := d.Check(t.Context(), tt.user, passwords[tt.user])
			if err == nil || errors.Is(err, api.ErrUnknownToken) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), passwords[tt.user]) {
				t.Errorf("got %+v, error %v; want one with %q", v, err, tt.want)
			}
		})
	}
	// Who hangs is given up with the request.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	base.Server = "ldap://" + l.Addr().String()
	d, err := ldap.New(base)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if v, err := d.Check(ctx, "alice", "correct horse"); err == nil {
		t.Errorf("a server that says nothing: got %+v", v)
	}
}

// TestSettings shows which settings are refused, by which words.
func TestSettings(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]ldap.Settings{
		"write it like ldaps://":       {Server: "ldap.example.com", UserDN: "uid=%(user)s"},
		"would carry passwords":        {Server: "ldap://ldap.example.com", UserDN: "uid=%(user)s"},
		"either ldap.user_dn_template": {Server: "ldaps://ldap.example.com"},
		"either ":                      {Server: "ldaps://ldap.example.com", UserDN: "uid=%(user)s", UserSearch: "dc=x"},
		"everybody would be the same":  {Server: "ldaps://ldap.example.com", UserDN: "uid=alice"},
		"ldap.user_filter":             {Server: "ldaps://ldap.example.com", UserSearch: "dc=x", UserFilter: "(uid=x)"},
		"filter \"(uid=%(user)s\"":     {Server: "ldaps://ldap.example.com", UserSearch: "dc=x", UserFilter: "(uid=%(user)s"},
		"ldap.group_search":            {Server: "ldaps://ldap.example.com", UserDN: "uid=%(user)s", SuperGroup: "x"},
		"ldap.groups has":              {Server: "ldaps://ldap.example.com", UserDN: "uid=%(user)s", GroupSearch: "dc=x", Groups: []string{"=x"}},
		"ldap.ca_file":                 {Server: "ldaps://ldap.example.com", UserDN: "uid=%(user)s", CAFile: "/nowhere"},
	} {
		if _, err := ldap.New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want one with %q", s, err, want)
		}
	}
	for _, s := range []ldap.Settings{{Server: "ldap://127.0.0.1", UserDN: "uid=%(user)s"}, {Server: "ldap://x", UserDN: "uid=%(user)s", AllowPlaintext: true}, {Server: "ldaps://x ldap://y", StartTLS: true, UserSearch: "dc=x"}} {
		if _, err := ldap.New(s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
