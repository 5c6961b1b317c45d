package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"podium/contest"
	"podium/protocol/webtransport"
	"podium/server/pages"
	"podium/store/uploads"
)

// Settings is everything that can be set about a serving Podium. Every field
// has a flag, an environment variable and a default; `podium serve --help`
// lists them. Flags come before the environment, the environment before a
// .env file in the working directory.
//
// The struct tags are read by kong. A zero limit means "no limit" unless its
// help says otherwise.
type Settings struct {
	Host           string   `env:"HOST" default:"" placeholder:"ADDRESS" group:"Listening" help:"Address to listen on; empty means every interface."`
	Port           int      `env:"PORT" default:"3000" placeholder:"N" group:"Listening" help:"Port to listen on (${default}); 0 takes a free one."`
	PublicURL      string   `env:"PUBLIC_URL" name:"public-url" placeholder:"URL" group:"Listening" help:"Address under which guests reach this server, for QR codes and links; found by itself when not given."`
	TLSCert        string   `env:"TLS_CERT" name:"tls-cert" placeholder:"FILE" group:"Listening" help:"Certificate chain (PEM) to serve HTTPS with; needs --tls-key."`
	TLSKey         string   `env:"TLS_KEY" name:"tls-key" placeholder:"FILE" group:"Listening" help:"Private key (PEM) of --tls-cert."`
	TrustedProxies []string `env:"TRUSTED_PROXIES" placeholder:"NETWORK" group:"Listening" help:"Networks of the proxies in front of this server, such as 127.0.0.1 or 10.0.0.0/8. Only requests that come from one of them may say in --client-address-header which client they are for. On Fly this is set by itself."`
	AddressHeader  string   `env:"CLIENT_ADDRESS_HEADER" name:"client-address-header" default:"X-Forwarded-For" placeholder:"NAME" group:"Listening" help:"Header in which a trusted proxy names the client's address (${default}; Fly-Client-IP on Fly)."`

	Data     string `env:"DATA_DIR" default:"data" placeholder:"DIR" group:"Data" help:"Folder of the database, and by default of uploads/ and backups/ (${default}). It is made, for this user only, when it is missing."`
	Database string `env:"DATABASE_URL" placeholder:"URL" group:"Data" help:"PostgreSQL database that keeps the contest in place of a file in the data folder, so that several machines can serve it: postgres://user:password@host/name. The data folder still holds what this machine needs for itself."`
	Uploads  string `env:"UPLOADS,UPLOADS_DIR" placeholder:"DIR|URL" group:"Data" help:"Where pictures are kept: a folder of this machine (uploads in the data folder), or a bucket such as s3://name?region=… that all machines of the contest see. Its keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."`

	RunAs string `env:"RUN_AS" name:"run-as" placeholder:"UID:GID" group:"Data" help:"When started as root: give the data folder to this user and group and become it."`

	Static string `env:"STATIC_DIR" placeholder:"DIR" group:"Pages" help:"Folder of pages to serve in place of the embedded ones."`
	Text   string `env:"TEXT" placeholder:"plain|html" enum:",plain,html" default:"" group:"Pages" help:"How captions, names, phones and category names leave this server: plain, or escaped as html for pages that put them into markup (plain with the embedded pages, html with --static)."`

	AllowTextInHandlers bool `env:"ALLOW_TEXT_IN_HANDLERS" group:"Pages" help:"Start although pages of --static put captions, names or phone numbers into handlers such as onclick, where escaping does not protect them."`

	AdminPassword  string        `env:"ADMIN_PASSWORD" placeholder:"SECRET" group:"Admin" help:"Password of the admin pages. Without one, a password is generated at the first start and printed once."`
	SessionAge     time.Duration `env:"SESSION_AGE" default:"168h" placeholder:"TIME" group:"Admin" help:"How long a sign-in lasts without being used (${default})."`
	SecureCookies  bool          `env:"SECURE_COOKIES" group:"Admin" help:"Mark cookies Secure although this server cannot see that a proxy in front of it speaks TLS."`
	SignInsAtOnce  int           `env:"SIGN_INS_AT_ONCE" default:"2" placeholder:"N" group:"Admin" help:"Passwords that are hashed at the same time; each takes 19 MiB (${default})."`
	WinnersLimit   int           `env:"WINNERS_LIMIT" default:"2" placeholder:"N" group:"Contest" help:"Winners a category can have (${default})."`
	Moderation     bool          `env:"MODERATION" group:"Contest" help:"Let submissions wait for approval, until an admin says otherwise on the admin page."`
	PhoneCountry   string        `env:"PHONE_COUNTRY" default:"49" placeholder:"CODE" group:"Contest" help:"Calling code that phone numbers without one are taken to have, such as 49 or 1: deleting by phone then finds 0170… as +49 170… too (${default})."`
	MaxPhoto       Bytes         `env:"MAX_PHOTO" default:"10MiB" placeholder:"SIZE" group:"Contest" help:"Largest photo accepted (${default})."`
	IdempotencyAge time.Duration `env:"IDEMPOTENCY_AGE" default:"24h" placeholder:"TIME" group:"Contest" help:"How long the answer to a request with an Idempotency-Key is kept (${default})."`

	HeartbeatInterval time.Duration `env:"HEARTBEAT_INTERVAL" default:"30s" placeholder:"TIME" group:"Real time" help:"Time between two pings to a client (${default})."`
	HeartbeatTimeout  time.Duration `env:"HEARTBEAT_TIMEOUT" default:"15s" placeholder:"TIME" group:"Real time" help:"How long a client may take to answer a ping before it counts as gone (${default})."`
	RecoveryMessages  int           `env:"RECOVERY_MESSAGES" default:"1000" placeholder:"N" group:"Real time" help:"Most missed events that a returning client is sent (${default})."`
	RecoveryAge       time.Duration `env:"RECOVERY_AGE" default:"5m" placeholder:"TIME" group:"Real time" help:"Age at which an event is no longer sent to a returning client (${default})."`
	CleanupInterval   time.Duration `env:"CLEANUP_INTERVAL" default:"60s" placeholder:"TIME" group:"Real time" help:"Time between two cleanups of the event log (${default})."`
	ClientQueue       Bytes         `env:"CLIENT_QUEUE" default:"4MiB" placeholder:"SIZE" group:"Real time" help:"Bytes that may wait for one slow client; beyond that it is disconnected, and recovers (${default})."`
	MaxPayload        Bytes         `env:"MAX_PAYLOAD" default:"1MB" placeholder:"SIZE" group:"Real time" help:"Largest message that a client may send (${default})."`
	Transports        []string      `env:"TRANSPORTS" default:"polling,websocket" placeholder:"NAME" group:"Real time" help:"Transports that clients may use (${default}). webtransport can be added where --tls-cert is set: it is QUIC, over the UDP port of the same number."`
	AllowEIO3         bool          `env:"ALLOW_EIO3" name:"allow-eio3" group:"Real time" help:"Let clients of Socket.IO 2 connect."`
	CORSOrigins       []string      `env:"CORS_ORIGINS" name:"cors-origins" placeholder:"ORIGIN" group:"Real time" help:"Origins of pages elsewhere that may connect, such as https://example.org, or *. Pages of this server always may."`
	EventLoops        int           `env:"EVENT_LOOPS" default:"0" placeholder:"N" group:"Real time" help:"Number of event loops that hold the connections; 0 means automatic."`
	Compress          bool          `env:"COMPRESS_WEBSOCKET" name:"compress-websocket" group:"Real time" help:"Compress WebSocket messages (permessage-deflate) for clients that offer it."`
	NodeID            string        `env:"NODE_ID" placeholder:"ID" group:"Real time" help:"Name of this machine among several, carried in session ids (the machine's id on Fly)."`

	NodeAddress string `env:"NODE_ADDRESS" placeholder:"URL" group:"Real time" help:"Where other machines of the contest reach this one, such as http://10.0.0.2:3000: they pass on to it the polls of its guests, so that no proxy needs sticky sessions. Needs --node-id. Fly needs none."`

	CloudinaryCloudName string `env:"CLOUDINARY_CLOUD_NAME" placeholder:"NAME" group:"Pictures" help:"Cloudinary cloud that keeps the pictures; without it they are kept here."`
	CloudinaryAPIKey    string `env:"CLOUDINARY_API_KEY" name:"cloudinary-api-key" placeholder:"KEY" group:"Pictures" help:"Cloudinary API key."`
	CloudinaryAPISecret string `env:"CLOUDINARY_API_SECRET" name:"cloudinary-api-secret" placeholder:"SECRET" group:"Pictures" help:"Cloudinary API secret."`
	CloudinaryURL       string `env:"CLOUDINARY_UPLOAD_PREFIX" name:"cloudinary-upload-prefix" placeholder:"URL" group:"Pictures" help:"Address of Cloudinary's upload API, for another region or a test."`
	KeepOriginals       bool   `env:"KEEP_ORIGINALS" group:"Pictures" help:"Keep each picture also as it was sent, metadata removed."`
	MaxPixels           int    `env:"MAX_PIXELS" default:"64000000" placeholder:"N" group:"Pictures" help:"Most pixels a picture may have (${default})."`

	LimitConnections        int           `env:"LIMIT_CONNECTIONS" default:"0" placeholder:"N" group:"Limits" help:"Real-time connections in total; 0 derives it from the open files that the system allows."`
	LimitConnectionsAddress int           `env:"LIMIT_CONNECTIONS_PER_ADDRESS" name:"limit-connections-per-address" default:"5000" placeholder:"N" group:"Limits" help:"Real-time connections from one address (${default}: 2,000 phones behind one router with two pages each, and some more)."`
	LimitHandshakes         float64       `env:"LIMIT_HANDSHAKES" default:"4000" placeholder:"N" group:"Limits" help:"Real-time handshakes a second in total (${default})."`
	LimitHandshakesAddress  float64       `env:"LIMIT_HANDSHAKES_PER_ADDRESS" name:"limit-handshakes-per-address" default:"1000" placeholder:"N" group:"Limits" help:"Real-time handshakes a second from one address (${default}; five seconds of it may come at once, so that 2,000 phones with two pages each are back at once after the Wi-Fi dropped)."`
	LimitRequests           float64       `env:"LIMIT_REQUESTS" default:"10000" placeholder:"N" group:"Limits" help:"API requests a second in total (${default})."`
	LimitRequestsAddress    float64       `env:"LIMIT_REQUESTS_PER_ADDRESS" name:"limit-requests-per-address" default:"2000" placeholder:"N" group:"Limits" help:"API requests a second from one address (${default}: each of 2,000 phones once; five seconds of it may come at once, as when all open the page)."`
	LimitSubmissions        float64       `env:"LIMIT_SUBMISSIONS" default:"30000" placeholder:"N" group:"Limits" help:"Submissions a minute in total (${default})."`
	LimitSubmissionsAddress float64       `env:"LIMIT_SUBMISSIONS_PER_ADDRESS" name:"limit-submissions-per-address" default:"6000" placeholder:"N" group:"Limits" help:"Submissions a minute from one address (${default}: three for each of 2,000 phones; 4,000 may come at once)."`
	LimitSockets            int           `env:"LIMIT_SOCKETS" default:"0" placeholder:"N" group:"Limits" help:"Network connections that serve HTTP requests in total, WebSockets not counted; 0 derives it from the open files that the system allows."`
	LimitSocketsAddress     int           `env:"LIMIT_SOCKETS_PER_ADDRESS" name:"limit-sockets-per-address" default:"8000" placeholder:"N" group:"Limits" help:"Network connections that serve HTTP requests from one address (${default}: four for each of 2,000 phones); trusted proxies may have any number."`
	LimitPayloads           float64       `env:"LIMIT_PAYLOADS" default:"20000" placeholder:"N" group:"Limits" help:"Payloads a second that long-polling clients may send in total (${default})."`
	LimitPayloadsAddress    float64       `env:"LIMIT_PAYLOADS_PER_ADDRESS" name:"limit-payloads-per-address" default:"4000" placeholder:"N" group:"Limits" help:"Payloads a second from long-polling clients at one address (${default}; five seconds of it may come at once)."`
	LimitPolls              int           `env:"LIMIT_POLLS" default:"10000" placeholder:"N" group:"Limits" help:"Long-polling requests that wait at the same time in total (${default})."`
	LimitPollsAddress       int           `env:"LIMIT_POLLS_PER_ADDRESS" name:"limit-polls-per-address" default:"5000" placeholder:"N" group:"Limits" help:"Long-polling requests from one address that wait at the same time (${default})."`
	LimitUnjoined           int           `env:"LIMIT_UNJOINED" default:"10000" placeholder:"N" group:"Limits" help:"Real-time connections that have not joined a namespace yet in total (${default})."`
	LimitUnjoinedAddress    int           `env:"LIMIT_UNJOINED_PER_ADDRESS" name:"limit-unjoined-per-address" default:"4500" placeholder:"N" group:"Limits" help:"Real-time connections from one address that have not joined a namespace yet (${default})."`
	LimitEvents             float64       `env:"LIMIT_EVENTS" default:"100" placeholder:"N" group:"Limits" help:"Events and other packets a second from one real-time connection (${default}; ten seconds of it may come at once); beyond that it is closed."`
	LimitRooms              int           `env:"LIMIT_ROOMS" default:"100" placeholder:"N" group:"Limits" help:"Rooms that one socket may be in (${default})."`
	LimitUploadBytesAddress Bytes         `env:"LIMIT_UPLOAD_BYTES_PER_ADDRESS" name:"limit-upload-bytes-per-address" default:"48MiB" placeholder:"SIZE" group:"Limits" help:"Bytes of unfinished uploads from one address; beyond that, the slowest of them is ended and sent again later (${default})."`
	LimitUploadBytes        Bytes         `env:"LIMIT_UPLOAD_BYTES" default:"64MiB" placeholder:"SIZE" group:"Limits" help:"Bytes of unfinished uploads in total; beyond that, those that hold much and bring little are ended and sent again later (${default})."`
	LimitWaitingAddress     Bytes         `env:"LIMIT_WAITING_BYTES_PER_ADDRESS" name:"limit-waiting-bytes-per-address" default:"384MiB" placeholder:"SIZE" group:"Limits" help:"Bytes of photos from one address that have arrived and wait for their turn; beyond that, they are refused and sent again later (${default})."`
	LimitWaitingBytes       Bytes         `env:"LIMIT_WAITING_BYTES" default:"512MiB" placeholder:"SIZE" group:"Limits" help:"Bytes of photos that have arrived and wait for their turn in total; they wait on the disk (${default})."`
	LimitSignIns            float64       `env:"LIMIT_SIGN_INS" default:"60" placeholder:"N" group:"Limits" help:"Wrong passwords a minute in total; beyond that, every address that failed before has to wait for its next try (${default})."`
	HeaderTimeout           time.Duration `env:"HEADER_TIMEOUT" default:"10s" placeholder:"TIME" group:"Limits" help:"How long a request's header may take to arrive (${default})."`
	BodyTimeout             time.Duration `env:"BODY_TIMEOUT" default:"20s" placeholder:"TIME" group:"Limits" help:"How long a request's body may take to arrive; photos have five minutes as long as they keep arriving (${default})."`
	UploadWindow            time.Duration `env:"UPLOAD_WINDOW" default:"15s" placeholder:"TIME" group:"Limits" help:"How long an upload may take for each 8 KiB of a photo (${default})."`
	AnswerTimeout           time.Duration `env:"ANSWER_TIMEOUT" default:"2m" placeholder:"TIME" group:"Limits" help:"How long a client may take to read its answer (${default})."`
	ConnectTimeout          time.Duration `env:"CONNECT_TIMEOUT" default:"45s" placeholder:"TIME" group:"Limits" help:"How long a real-time connection may take to join a namespace (${default})."`
	MaxHeader               Bytes         `env:"MAX_HEADER" default:"16KiB" placeholder:"SIZE" group:"Limits" help:"Largest request header (${default})."`

	Backups        string        `env:"BACKUPS_DIR" placeholder:"DIR|URL" group:"Backups" help:"Where backups go: a folder or a bucket such as s3://name?region=… (backups in the data folder)."`
	BackupInterval time.Duration `env:"BACKUP_INTERVAL" default:"15m" placeholder:"TIME" group:"Backups" help:"Time between two backups while there is something new; 0 makes none (${default})."`
	BackupKeep     int           `env:"BACKUP_KEEP" default:"24" placeholder:"N" group:"Backups" help:"Number of newest backups to keep (${default})."`
	BackupKeepDays int           `env:"BACKUP_KEEP_DAYS" default:"14" placeholder:"N" group:"Backups" help:"Number of days for which one backup each is kept (${default})."`

	MetricsAddress string        `env:"METRICS_ADDRESS" placeholder:"HOST:PORT" group:"Observing" help:"Separate address for Prometheus's /metrics; off when empty (admins find it on the main address)."`
	LogLevel       string        `env:"LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" group:"Observing" help:"Lowest level of log lines to write: debug, info, warn, error (${default})."`
	LogFormat      string        `env:"LOG_FORMAT" default:"text" enum:"text,json" placeholder:"text|json" group:"Observing" help:"Format of log lines (${default})."`
	ShutdownGrace  time.Duration `env:"SHUTDOWN_GRACE" default:"10s" placeholder:"TIME" group:"Observing" help:"How long requests in flight may take at a stop (${default})."`
}

// EscapesText reports whether text leaves the server escaped for HTML.
func (s *Settings) EscapesText() bool {
	if s.Text == "" {
		return s.Static != ""
	}
	return s.Text == "html"
}

// UploadsDir is the folder of pictures kept on this machine.
func (s *Settings) UploadsDir() string { return uploads.Folder(s.Data, s.Uploads) }

// BackupsDest is the folder or bucket URL that backups go to.
func (s *Settings) BackupsDest() string {
	if s.Backups != "" {
		return s.Backups
	}
	return filepath.Join(s.Data, "backups")
}

// safeHandlers reports pages that put people's words into handlers. A folder that
// cannot be read through says so when it is served.
func (s *Settings) safeHandlers() error {
	if s.AllowTextInHandlers {
		return nil
	}
	root, err := os.OpenRoot(s.Static)
	if err != nil {
		return nil
	}
	defer root.Close()
	found, err := pages.TextInHandlers(root.FS())
	if err != nil || len(found) == 0 {
		return nil
	}
	return fmt.Errorf("pages put captions, names or phone numbers into handlers, where a visitor's text could run as a script (%s); "+
		"change them to look the text up by its id, or start with --allow-text-in-handlers", strings.Join(found, "; "))
}

// Validate reports settings that cannot be meant, each with a sentence.
// kong calls it after parsing.
func (s *Settings) Validate() error {
	var errs []error
	reject := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Port < 0 || s.Port > 65535 {
		reject("--port must be between 0 and 65535, not %d", s.Port)
	}
	if err := s.checkTLS(); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.proxies(); err != nil {
		errs = append(errs, err)
	}
	if s.PublicURL != "" {
		if u, err := url.Parse(s.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			reject("--public-url must be a whole address such as https://contest.example.org, not %q", s.PublicURL)
		}
	}
	if s.Static != "" {
		if info, err := os.Stat(s.Static); err != nil || !info.IsDir() {
			reject("--static %s is not a folder that can be read", s.Static)
		} else if err := s.safeHandlers(); err != nil {
			errs = append(errs, err)
		}
	}
	for name, d := range map[string]time.Duration{
		"heartbeat-interval": s.HeartbeatInterval, "heartbeat-timeout": s.HeartbeatTimeout,
		"recovery-age": s.RecoveryAge, "cleanup-interval": s.CleanupInterval,
		"session-age": s.SessionAge, "header-timeout": s.HeaderTimeout, "body-timeout": s.BodyTimeout, "upload-window": s.UploadWindow, "answer-timeout": s.AnswerTimeout, "connect-timeout": s.ConnectTimeout,
	} {
		if d <= 0 {
			reject("--%s must be positive, not %s", name, d)
		}
	}
	for _, name := range s.Transports {
		if name != "polling" && name != "websocket" && name != webtransport.Transport {
			reject("--transports takes polling, websocket and webtransport, not %q", name)
		}
	}
	if s.offersQUIC() && s.TLSCert == "" {
		reject("--transports webtransport needs --tls-cert and --tls-key: browsers speak it to no server without TLS, and proxies do not pass it on")
	}
	if u, err := url.Parse(s.NodeAddress); s.NodeAddress != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || s.NodeID == "") {
		reject("--node-address must be a whole address such as http://10.0.0.2:3000, and needs --node-id")
	}
	if s.WinnersLimit < 1 {
		reject("--winners-limit must be at least 1, not %d", s.WinnersLimit)
	}
	if s.PhoneCountry != "" && !contest.ValidPhoneCountry(s.PhoneCountry) {
		reject("--phone-country must be a calling code such as 49 or 1, not %q", s.PhoneCountry)
	}
	if s.MaxPhoto < 1 {
		reject("--max-photo must be at least 1 byte")
	}
	return errors.Join(errs...)
}

// checkTLS reports certificates that could not be served with. A server that says it is
// ready and refuses every handshake is worse than one that does not start.
func (s *Settings) checkTLS() error {
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key belong together")
	}
	if s.TLSCert == "" {
		return nil
	}
	var errs []error
	for _, file := range []struct{ flag, path string }{{"--tls-cert", s.TLSCert}, {"--tls-key", s.TLSKey}} {
		if _, err := os.ReadFile(file.path); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file.flag, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if _, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey); err != nil {
		return fmt.Errorf("--tls-cert %s and --tls-key %s cannot be used: %w", s.TLSCert, s.TLSKey, err)
	}
	return nil
}

// proxies parses TrustedProxies. A bare address is a network of its own.
func (s *Settings) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range s.TrustedProxies {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// listenAddress joins host and port.
func (s *Settings) listenAddress() string {
	return net.JoinHostPort(strings.Trim(s.Host, "[]"), fmt.Sprint(s.Port))
}
