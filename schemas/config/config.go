package config

import (
	"time"
)

// Config is what a process of strata may be told. Every field has a key in the file; see [Settings].
type Config struct {
	Name       string // of the lab, as its pages show it; see [CheckName]
	Data       string // directory of everything that strata keeps on this machine
	Listen     Listen
	Limits     Limits
	Broker     Broker
	ClickHouse ClickHouse
	Jobs       Jobs
	Space      Space
	Log        Log
	Worker     Worker
	Archive    Archive
	Retention  Retention
	Notify     Notify
	Events     Events
	LDAP       LDAP
	OIDC       OIDC

	// Administrators is the group of this machine whose members may read the administrator's credential; empty: nobody
	// but the lab's own user.
	Administrators string
}

// Listen is where `strata up` serves. Port 0 takes a free one; an empty address does not listen.
type Listen struct {
	HTTP        string // pages, APIs, /metrics and /healthz
	NATS        string // the bus
	SQL         string // ClickHouse's HTTP interface, of the service sqldoor
	Coordinator string // LAVA's multinode protocol, for dispatchers of LAVA; no password guards it
	Metrics     string // /metrics and /healthz of a process that serves no HTTP otherwise
	Events      string // LAVA's events by ZeroMQ; no password guards it

	Certificate    string   // PEM file, for all of these that can be encrypted; empty: none is
	Key            string   // PEM file that belongs to it
	TrustedProxy   []string // addresses or CIDR ranges whose X-Forwarded-* is believed
	AllowPlaintext bool     // listen on addresses of the network without encryption
	MetricsOpen    bool     // /metrics asks nobody for a token
}

// Limits bound what callers may do at HTTP and, as far as they are about callers, on the bus.
type Limits struct {
	TokenRate          int   // requests a second of each token or session
	TokenBurst         int   // of them at once
	AddressRate        int   // requests a second of all others at one address
	AddressBurst       int   // of them at once
	Connections        int   // to a port of HTTP
	AddressConnections int   // of them, of one address
	Body               int64 // bytes of a request
}

// Events says how LAVA's events are told.
type Events struct {
	Topic string // what topics begin with; empty is LAVA's org.lavasoftware
	All   bool   // ZeroMQ tells of everything, not only of what everybody may see
}

// Broker says how to reach and use a NATS server. URL is empty where strata runs its own.
type Broker struct {
	URL         string
	Token       string // opaque token of a service or worker
	TokenFile   string // file that holds it
	Monitor     string // monitoring address, to ask whether the broker syncs
	Websocket   string // where the broker at URL speaks websocket, such as ws://broker:4223; empty offers none at /nats
	AllowLossy  bool   // take a broker that does not sync each write
	Replicas    int    // of each stream, when it is made
	OutputBytes int64  // limit of the stream OUTPUT; 0 is none
	AsyncOutput bool   // make OUTPUT with PersistMode async: faster, may lose its tail on kill -9
}

// ClickHouse says where the read models are. With an empty DSN strata runs its own engine.
type ClickHouse struct {
	DSN     string // such as clickhouse://default@127.0.0.1:8123/strata
	Library string // path of libchdb.so; empty looks in the usual places
}

// Jobs are the rules of the lab for jobs.
type Jobs struct {
	First           uint64        // number of the first job of a new lab
	WorkerLossLimit time.Duration // a job whose worker is away longer ends, Infrastructure
	OutputLimit     int64         // bytes of log records that a job may write
	FileLimit       int64         // bytes of one file that a test gives
	FilesLimit      int64         // bytes of all files of a job
	QueueTimeout    time.Duration // of jobs that name none; 0 waits for ever
	Retry           bool          // a job that ends by the lab's fault is tried once elsewhere, where it does not say
	ExtraContext    []string      // further names that a job's context may set (LAVA's EXTRA_CONTEXT_VARIABLES)
	CompareBy       []string      // entries of the metadata in which comparable jobs agree, beside name and device type
}

// Archive says where everything is kept that the streams forget. Without a bucket it is a directory.
// The secrets of a bucket are never in the file, but in the environment: STRATA_S3_KEY and
// STRATA_S3_SECRET.
type Archive struct {
	Path       string        // directory; empty is below Data
	Keep       time.Duration // how long the streams keep what is archived
	Age        time.Duration // how long a message waits for its segment
	S3Endpoint string        // such as https://s3.example.com
	S3Bucket   string        // empty: a directory
	S3Prefix   string        // of the names in the bucket
	S3Region   string
}

// LDAP says which directory people sign in by; its keys are LAVA's words for the same. Secrets are never in the
// file, but in files that it names or in the environment: STRATA_LDAP_PASSWORD.
type LDAP struct {
	Server         string // ldaps://host; empty is none
	StartTLS       bool
	CAFile         string
	AllowPlaintext bool
	BindDN         string // who searches
	BindPassword   string // file
	UserDN         string // template of users' entries; or:
	UserSearch     string
	UserFilter     string
	NameAttr       string
	GroupSearch    string
	GroupFilter    string
	Groups         []string // that the directory gives and takes
	SuperGroup     string
	StaffGroup     string
	ExistingOnly   bool // no account is made
}

// OIDC says which provider of identities people sign in by. Its secret is in a file, or in STRATA_OIDC_SECRET.
type OIDC struct {
	Issuer       string // empty is none
	ClientID     string
	ClientSecret string // file
	Scopes       []string
	NameClaim    string
	GroupsClaim  string
	Groups       []string // that the provider gives and takes
	SuperGroup   string
	StaffGroup   string
	ExistingOnly bool // no account is made
	Adopt        bool // by name
	Label        string
}

// Retention says how long ClickHouse's tables keep rows of a job after its end, kind by kind; 0 is for ever.
// Streams and archive have rules of their own.
type Retention struct {
	Logs         time.Duration // lines of logs and the search's indexes
	Results      time.Duration // cases, suites, judgements
	Measurements time.Duration
	History      time.Duration // steps of jobs, the facts about them
	Files        time.Duration // bytes of files of tests, in the archive; their rows stay
	QueryItems   time.Duration // of refreshes of queries but the last, from the refresh on
}

// Notify says how people and programs are told of jobs. Secrets are never in the file, but in files that it
// names or in the environment: STRATA_SMTP_PASSWORD and STRATA_NOTIFY_SECRET.
type Notify struct {
	URL          string        // of the lab's pages, for links; empty has none
	Timeout      time.Duration // of one attempt
	GiveUp       time.Duration // how long a delivery is tried
	Allow        []string      // private addresses that callbacks and IRC may go to, as CIDR or single
	Hosts        []string      // globs of the hosts that callbacks may go to; none: all (LAVA's CALLBACK_ALLOWED_HOSTS)
	SecretFile   string        // signs callbacks
	TokensFile   string        // users' tokens by name, for callbacks
	SMTP         string        // host:port; empty sends no mail
	SMTPSecurity string        // starttls, tls, none
	SMTPUser     string        // empty does not log in
	SMTPPassword string        // file
	From         string        // sender of mail
	MailDomain   string        // of users without an address of their own
	IRCServer    string        // host:port of who names none; empty: they have to
	IRCNick      string
	IRCTLS       bool // speak TLS to all servers of IRC
}

// Space is how much of a disk has to stay free. Below it a server takes no submissions, a worker
// no orders.
type Space struct {
	Server int64 // bytes on the disk of Data
	Worker int64 // bytes on the disk of a worker's Data
}

// Log is how a process logs about itself. A job's own log is data and has no settings here.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Worker is what `strata worker` is told.
type Worker struct {
	Name     string // as the lab knows it; empty is the machine's FQDN
	TFTP     string // address from which devices fetch files; empty serves none
	TFTPDir  string // directory of a TFTP server of the host, used in place of our own
	Web      string // address from which devices fetch files by HTTP; empty serves none
	Ports    string // where jobs take files of tests: "42000-42099", empty for any free one, none
	CacheDir string // of downloads that jobs share; empty is below Data
	Cache    int64  // bytes that it may hold; 0 keeps none
}

// Defaults returns the configuration of a process that is told nothing.
// Addresses are loopback but for those of a worker's servers, which boards have to reach: a lab that
// is told nothing is open to nobody else.
func Defaults() Config {
	return Config{
		Name:   "Strata",
		Listen: Listen{HTTP: "127.0.0.1:8080", NATS: "127.0.0.1:4222", SQL: "127.0.0.1:8123"},
		Limits: Limits{TokenRate: 1000, TokenBurst: 4000, AddressRate: 100, AddressBurst: 1000,
			Connections: 16384, AddressConnections: 4096, Body: 8 << 20},
		Broker:     Broker{Replicas: 1},
		Jobs:       Jobs{First: 1, WorkerLossLimit: 10 * time.Minute, OutputLimit: 1 << 30, FileLimit: 16 << 20, FilesLimit: 64 << 20},
		Space:      Space{Server: 1 << 30, Worker: 1 << 30},
		Log:        Log{Level: "info", Format: "text"},
		Worker:     Worker{TFTP: ":69", Web: ":8070", Cache: 20 << 30},
		ClickHouse: ClickHouse{},
		Archive:    Archive{Keep: 30 * 24 * time.Hour, Age: time.Hour},
		Notify:     Notify{Timeout: 30 * time.Second, GiveUp: 24 * time.Hour, SMTPSecurity: "starttls", IRCNick: "strata"},
	}
}

// setting is one key of the file: what it means and where it goes.
// A kind of field that none has had yet needs a case in set and in print; without one its key would be
// taken and change nothing.
type setting struct {
	key    string
	about  string
	into   any                // pointer into the Config: *string, *bool, *int, *int64, *uint64, *time.Duration, *[]string
	size   bool               // of an *int64: bytes, with units
	oneOf  []string           // of a *string: what is allowed
	check  func(string) error // of a *string, and of each text of a *[]string: what else it has to be
	atMost int                // of an *int: from 1 to this; 0 is no limit
}

// settings is the one table of keys.
// Keys are an interface: none is renamed, and one that means nothing any more has to say so. The order
// is that of the documentation.
func (c *Config) settings() []setting {
	return []setting{
		{key: "name", about: "name of the lab, in the head and the titles of its pages (LAVA's INSTANCE_NAME)", into: &c.Name, check: CheckName},
		{key: "data", about: "directory of everything that strata keeps on this machine", into: &c.Data},
		{key: "listen.http", about: "address of pages and APIs; port 0 takes a free one", into: &c.Listen.HTTP},
		{key: "listen.nats", about: "address of the embedded broker", into: &c.Listen.NATS},
		{key: "listen.sql", about: "address of ClickHouse's HTTP interface; empty starts no engine", into: &c.Listen.SQL},
		{key: "listen.coordinator", about: "address of LAVA's multinode protocol (port 3079 there); empty is closed, and nobody is asked for a password", into: &c.Listen.Coordinator},
		{key: "listen.metrics", about: "address of /metrics and /healthz of a process without HTTP otherwise", into: &c.Listen.Metrics},
		{key: "listen.events", about: "address of LAVA's events by ZeroMQ (port 5500 there); empty is closed, and nobody is asked for a password", into: &c.Listen.Events},
		{key: "listen.tls.certificate", about: "PEM file with the certificate of http, nats, sql and metrics, and those that it rests on; read again when it changes", into: &c.Listen.Certificate},
		{key: "listen.tls.key", about: "PEM file with its key", into: &c.Listen.Key},
		{key: "listen.trusted_proxy", about: "proxies that are believed by their X-Forwarded-*, such as 10.0.0.5 or 10.1.0.0/16", into: &c.Listen.TrustedProxy, check: checkNetwork},
		{key: "listen.allow_plaintext", about: "listen on addresses of the network without encryption too", into: &c.Listen.AllowPlaintext},
		{key: "listen.metrics_open", about: "show /metrics to all who reach it, without a token, with the names of what is hidden", into: &c.Listen.MetricsOpen},
		{key: "limits.token_rate", about: "requests a second of each token or session, over HTTP and on the bus", into: &c.Limits.TokenRate, atMost: 1_000_000},
		{key: "limits.token_burst", about: "of them at once, after a quiet while", into: &c.Limits.TokenBurst, atMost: 1_000_000},
		{key: "limits.address_rate", about: "requests a second of all callers without a token at one address", into: &c.Limits.AddressRate, atMost: 1_000_000},
		{key: "limits.address_burst", about: "of them at once", into: &c.Limits.AddressBurst, atMost: 1_000_000},
		{key: "limits.connections", about: "connections to HTTP at a time; beyond them the longest idle is closed", into: &c.Limits.Connections, atMost: 1_000_000},
		{key: "limits.address_connections", about: "of them, of one address that is no trusted proxy", into: &c.Limits.AddressConnections, atMost: 1_000_000},
		{key: "limits.body", about: "bytes of a request over HTTP; some kinds have less", into: &c.Limits.Body, size: true},
		{key: "events.topic", about: "what the topics of LAVA's events begin with; empty is org.lavasoftware", into: &c.Events.Topic},
		{key: "events.all", about: "tell everything by ZeroMQ, also what not everybody may see, as LAVA does", into: &c.Events.All},
		{key: "broker.url", about: "NATS server to use; empty runs one", into: &c.Broker.URL},
		{key: "broker.token", about: "token that names this process to the broker", into: &c.Broker.Token},
		{key: "broker.token_file", about: "file that holds the token", into: &c.Broker.TokenFile},
		{key: "broker.websocket", about: "where the server of broker.url speaks websocket, such as ws://broker:4223; empty offers no bus at /nats", into: &c.Broker.Websocket, check: checkWebsocket},
		{key: "broker.monitor", about: "monitoring address of the broker, to ask whether it syncs", into: &c.Broker.Monitor},
		{key: "broker.allow_lossy", about: "use a broker that does not sync each write to disk", into: &c.Broker.AllowLossy},
		{key: "broker.replicas", about: "replicas of each stream, when it is made", into: &c.Broker.Replicas, atMost: 5},
		{key: "broker.output_bytes", about: "limit of the stream OUTPUT; 0 is none", into: &c.Broker.OutputBytes, size: true},
		{key: "broker.async_output", about: "make OUTPUT faster and less durable; spools fill the gaps", into: &c.Broker.AsyncOutput},
		{key: "clickhouse.dsn", about: "ClickHouse server to use; empty runs the embedded engine", into: &c.ClickHouse.DSN},
		{key: "clickhouse.library", about: "path of libchdb.so; empty looks in the usual places", into: &c.ClickHouse.Library},
		{key: "jobs.first", about: "number of the first job; counts when the lab is made", into: &c.Jobs.First},
		{key: "jobs.worker_loss_limit", about: "a job whose worker is away longer ends, Infrastructure", into: &c.Jobs.WorkerLossLimit},
		{key: "jobs.output_limit", about: "bytes of log that a job may write", into: &c.Jobs.OutputLimit, size: true},
		{key: "jobs.file_limit", about: "bytes of one file that a test gives; over a console at most 16MiB", into: &c.Jobs.FileLimit, size: true},
		{key: "jobs.files_limit", about: "bytes of all files that the tests of a job give", into: &c.Jobs.FilesLimit, size: true},
		{key: "jobs.queue_timeout", about: "how long a job that does not say waits for a device; 0 is for ever", into: &c.Jobs.QueueTimeout},
		{key: "jobs.retry_infrastructure", about: "try a job that ends by the lab's fault once more, on another device, where it does not say", into: &c.Jobs.Retry},
		{key: "jobs.extra_context", about: "further names that a job's context may set", into: &c.Jobs.ExtraContext},
		{key: "jobs.compare_by", about: "entries of the metadata in which jobs have to agree to be compared, beside name, device type and role", into: &c.Jobs.CompareBy},
		{key: "archive.path", about: "directory of the archive; empty is below data", into: &c.Archive.Path},
		{key: "archive.keep", about: "how long the streams keep what is archived", into: &c.Archive.Keep},
		{key: "archive.age", about: "how long a message waits for its segment of the archive", into: &c.Archive.Age},
		{key: "archive.s3_endpoint", about: "URL of an S3 server for the archive", into: &c.Archive.S3Endpoint},
		{key: "archive.s3_bucket", about: "bucket of the archive; empty keeps it in a directory", into: &c.Archive.S3Bucket},
		{key: "archive.s3_prefix", about: "what its names in the bucket begin with", into: &c.Archive.S3Prefix},
		{key: "archive.s3_region", about: "region of the bucket, where the server asks for one", into: &c.Archive.S3Region},
		{key: "retention.logs", about: "how long the tables keep log lines after a job's end; 0 is for ever", into: &c.Retention.Logs},
		{key: "retention.results", about: "the same for suites, cases, judgements and the facts of RESULTS", into: &c.Retention.Results},
		{key: "retention.measurements", about: "the same for measurements", into: &c.Retention.Measurements},
		{key: "retention.history", about: "the same for the steps of jobs and of their devices, the messages about them, and the facts of LAB about a job", into: &c.Retention.History},
		{key: "retention.files", about: "how long after a job's end the bytes of its tests' files are kept in the archive; 0 is for ever", into: &c.Retention.Files},
		{key: "retention.query_items", about: "how long the tables keep the rows of a query's refreshes, but the last; 0 is for ever", into: &c.Retention.QueryItems},
		{key: "notify.url", about: "address of the lab's pages, for links in mail and messages", into: &c.Notify.URL},
		{key: "notify.timeout", about: "how long one attempt at a callback, mail or message may take", into: &c.Notify.Timeout},
		{key: "notify.give_up", about: "how long a delivery is tried before it is a dead letter", into: &c.Notify.GiveUp},
		{key: "notify.allow", about: "private addresses that callbacks and IRC may go to, such as 10.1.0.0/16 or 127.0.0.1; others are refused", into: &c.Notify.Allow, check: checkNetwork},
		{key: "notify.hosts", about: "patterns of hosts that callbacks may go to, such as *.example.com; none allows all (LAVA's CALLBACK_ALLOWED_HOSTS)", into: &c.Notify.Hosts, check: checkGlob},
		{key: "notify.secret_file", about: "file with the secret that signs callbacks (or STRATA_NOTIFY_SECRET)", into: &c.Notify.SecretFile},
		{key: "notify.tokens_file", about: "YAML file of users' tokens for callbacks: user: {name: token}", into: &c.Notify.TokensFile},
		{key: "notify.smtp", about: "host:port of the mail server; empty sends no mail", into: &c.Notify.SMTP},
		{key: "notify.smtp_security", about: "how the mail server is spoken to", into: &c.Notify.SMTPSecurity, oneOf: []string{"starttls", "tls", "none"}},
		{key: "notify.smtp_user", about: "who logs in to the mail server; empty does not", into: &c.Notify.SMTPUser},
		{key: "notify.smtp_password_file", about: "file with the password (or STRATA_SMTP_PASSWORD)", into: &c.Notify.SMTPPassword},
		{key: "notify.from", about: "sender of mail", into: &c.Notify.From},
		{key: "notify.mail_domain", about: "domain of the addresses of users, for those who are named without one", into: &c.Notify.MailDomain},
		{key: "notify.irc_server", about: "host:port of the IRC server where a job names none", into: &c.Notify.IRCServer},
		{key: "notify.irc_nick", about: "nick name of the lab on IRC", into: &c.Notify.IRCNick},
		{key: "notify.irc_tls", about: "speak TLS to servers of IRC", into: &c.Notify.IRCTLS},
		{key: "ldap.server_uri", about: "LDAP server that people sign in by, such as ldaps://ldap.example.com; several, with blanks between, are tried in turn; empty: none", into: &c.LDAP.Server},
		{key: "ldap.start_tls", about: "go on encrypted with a server of ldap://", into: &c.LDAP.StartTLS},
		{key: "ldap.ca_file", about: "PEM file of who has signed its certificate; empty: those that this machine trusts", into: &c.LDAP.CAFile},
		{key: "ldap.allow_plaintext", about: "send passwords to a server of ldap:// in clear", into: &c.LDAP.AllowPlaintext},
		{key: "ldap.bind_dn", about: "entry that looks for users and groups; empty: nobody, or the user", into: &c.LDAP.BindDN},
		{key: "ldap.bind_password_file", about: "file with its password (or STRATA_LDAP_PASSWORD)", into: &c.LDAP.BindPassword},
		{key: "ldap.user_dn_template", about: "entries of users, such as uid=%(user)s,ou=people,dc=example,dc=com; or ldap.user_search", into: &c.LDAP.UserDN},
		{key: "ldap.user_search", about: "below which entry users are looked for", into: &c.LDAP.UserSearch},
		{key: "ldap.user_filter", about: "by which; empty is (uid=%(user)s)", into: &c.LDAP.UserFilter},
		{key: "ldap.name_attribute", about: "attribute that is a user's name here; empty is uid", into: &c.LDAP.NameAttr},
		{key: "ldap.group_search", about: "below which entry groups are; empty: the directory gives none", into: &c.LDAP.GroupSearch},
		{key: "ldap.group_filter", about: "which of them a user (%(user)s, %(dn)s) is in; empty: those with member, uniqueMember or memberUid", into: &c.LDAP.GroupFilter},
		{key: "ldap.groups", about: "groups that the directory gives and takes: kernel, or kernel=linux or kernel=cn=linux,ou=groups,… where it is called otherwise there", into: &c.LDAP.Groups},
		{key: "ldap.superuser_group", about: "group whose members are superusers; empty: the lab says who is", into: &c.LDAP.SuperGroup},
		{key: "ldap.staff_group", about: "the same for staff", into: &c.LDAP.StaffGroup},
		{key: "ldap.existing_only", about: "let in nobody who has no account; else the first sign-in makes one", into: &c.LDAP.ExistingOnly},
		{key: "oidc.issuer", about: "provider of identities (OpenID Connect) that people sign in by, such as https://id.example.com/realms/lab; empty: none", into: &c.OIDC.Issuer},
		{key: "oidc.client_id", about: "what the lab is called there", into: &c.OIDC.ClientID},
		{key: "oidc.client_secret_file", about: "file with the lab's secret there (or STRATA_OIDC_SECRET)", into: &c.OIDC.ClientSecret},
		{key: "oidc.scopes", about: "what is asked for beside openid; none: profile and email", into: &c.OIDC.Scopes},
		{key: "oidc.name_claim", about: "claim that is a user's name here; empty is preferred_username", into: &c.OIDC.NameClaim},
		{key: "oidc.groups_claim", about: "claim that lists a user's groups; empty: the provider gives none", into: &c.OIDC.GroupsClaim},
		{key: "oidc.groups", about: "groups that the provider gives and takes: kernel, or kernel=/lab/linux where it is called otherwise there", into: &c.OIDC.Groups},
		{key: "oidc.superuser_group", about: "group there whose members are superusers; empty: the lab says who is", into: &c.OIDC.SuperGroup},
		{key: "oidc.staff_group", about: "the same for staff", into: &c.OIDC.StaffGroup},
		{key: "oidc.existing_only", about: "let in nobody who has no account; else the first sign-in makes one", into: &c.OIDC.ExistingOnly},
		{key: "oidc.adopt", about: "give an account without a password to who first comes by its name; only where people cannot choose names there", into: &c.OIDC.Adopt},
		{key: "oidc.label", about: "what the page of sign-in calls the provider; empty is its host", into: &c.OIDC.Label},
		{key: "administrators", about: "group of this machine whose members administer the lab: they may read its credential; empty: the lab's own user alone", into: &c.Administrators},
		{key: "space.server", about: "free space below which submissions are refused", into: &c.Space.Server, size: true},
		{key: "space.worker", about: "free space below which a worker takes no orders", into: &c.Space.Worker, size: true},
		{key: "log.level", about: "what a process logs about itself", into: &c.Log.Level, oneOf: []string{"debug", "info", "warn", "error"}},
		{key: "log.format", about: "how it is written", into: &c.Log.Format, oneOf: []string{"text", "json"}},
		{key: "worker.name", about: "name of this worker in the lab; empty is the machine's FQDN", into: &c.Worker.Name},
		{key: "worker.tftp", about: "address of the TFTP server for devices; where port 69 is taken, the server that has it is used; empty serves none", into: &c.Worker.TFTP},
		{key: "worker.tftp_dir", about: "directory of a TFTP server of the host, to be used in place of our own", into: &c.Worker.TFTPDir},
		{key: "worker.web", about: "address of the HTTP server for devices; where the port is taken another is; empty serves none", into: &c.Worker.Web},
		{key: "worker.file_ports", about: "ports at which devices hand files of tests over, one a running job, at the address of worker.web: such as 42000-42099; empty is any free one; none: files come over consoles only", into: &c.Worker.Ports, check: checkPorts},
		{key: "worker.cache", about: "bytes of downloads that jobs share; 0 keeps none", into: &c.Worker.Cache, size: true},
		{key: "worker.cache_dir", about: "where they lie; empty is below data", into: &c.Worker.CacheDir},
	}
}
