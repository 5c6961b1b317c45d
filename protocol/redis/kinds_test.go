package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/services"
	"podium/protocol/socketio/clustertest"
)

// suite runs parts of the suite of engines on a Redis of another kind.
func suite(t *testing.T, names []string, open func(t testing.TB) *Engine) {
	t.Helper()
	clustertest.Run(t, func(*testing.T) clustertest.Setup {
		return clustertest.Setup{Open: func(t testing.TB) clustertest.Engine {
			e := open(t)
			return engine(e)
		}}
	}, names...)
}

func engine(e *Engine) clustertest.Engine {
	return clustertest.Engine{Join: e.Join, Recovery: e.Recovery(), Close: e.Close}
}

func openOptions(t testing.TB, o Options) *Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// essentials are the parts that use every command that an engine sends.
var essentials = []string{"Order", "JoinThenEmit", "JoinIsKeptThroughACrash", "FetchWithADeadNode", "TakeOver"}

// permissions are what the user of a server must be allowed, at least: see the package
// comment.
const permissions = "~{podium}:* ~podium:* &podium:* +@read +@write +@connection +@scripting +@pubsub -@dangerous +info +time"

func TestAUserWithFewPermissionsOverTLS(t *testing.T) {
	folder := t.TempDir()
	pool := writeCertificate(t, folder)
	port := freePort(t)
	services.StartRedis(t, "tls-port", strconv.Itoa(port), "tls-auth-clients", "no",
		"tls-cert-file", filepath.Join(folder, "cert.pem"), "tls-key-file", filepath.Join(folder, "key.pem"),
		"user", "default off", "user", "podium on >secret "+permissions)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	suite(t, essentials, func(t testing.TB) *Engine {
		return openOptions(t, Options{Client: &goredis.UniversalOptions{
			Addrs: []string{address}, Username: "podium", Password: "secret",
			TLSConfig: &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		}})
	})
	_, err := Open(t.Context(), Options{URL: "rediss://podium:secret@" + address})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
}

// writeCertificate makes a certificate for localhost, and returns who vouches for it.
func writeCertificate(t *testing.T, folder string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(t, os.WriteFile(filepath.Join(folder, "cert.pem"), certificate, 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return pool
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Three primaries that share the slots.
func TestARedisCluster(t *testing.T) {
	var all []*services.Redis
	var addresses, ports []string
	for range 3 {
		bus := strconv.Itoa(freePort(t))
		r := services.StartRedis(t, "cluster-enabled", "yes", "cluster-port", bus, "cluster-node-timeout", "2000")
		all, addresses, ports = append(all, r), append(addresses, r.Addr), append(ports, bus)
	}
	for i, r := range all {
		ask(t, r, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*5462), strconv.Itoa(min(i*5462+5461, 16383)))
		if i > 0 {
			host, port, err := net.SplitHostPort(r.Addr)
			must(t, err)
			ask(t, all[0], "CLUSTER", "MEET", host, port, ports[i])
		}
	}
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addresses})
	defer client.Close()
	soonEnough(t, "the cluster is one", func() bool {
		for _, a := range addresses {
			one := goredis.NewClient(&goredis.Options{Addr: a})
			info, err := one.ClusterInfo(t.Context()).Result()
			_ = one.Close()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	// The URL says that it is a cluster by naming several hosts.
	url := "redis://" + strings.Join(addresses, ",")
	suite(t, essentials, func(t testing.TB) *Engine { return openOptions(t, Options{URL: url}) })
	e := openOptions(t, Options{URL: url})
	defer e.Close()
	_, at, err := e.Read(t.Context(), 0, 0)
	must(t, err)
	must(t, e.Append(t.Context(), events(1)))
	_, followed, err := e.Follow(t.Context(), at.Last, 1)
	must(t, err)
	if followed.Incarnation != at.Incarnation {
		t.Errorf("the log is another incarnation where it is followed: %q, %q", followed.Incarnation, at.Incarnation)
	}
}

func soonEnough(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: ", what)
		}
	}
}

// sentinels are a primary, its replica, and who has the one take the place of the other.
func sentinels(t *testing.T) (primary, replica *services.Redis, url string) {
	t.Helper()
	primary = services.StartRedis(t)
	replica = services.StartRedis(t, "replicaof", strings.ReplaceAll(primary.Addr, ":", " "))
	soonEnough(t, "the replica follows", func() bool { return strings.Contains(info(t, replica), "master_link_status:up") })
	s := services.StartSentinel(t, "main", primary)
	watcher := goredis.NewSentinelClient(&goredis.Options{Addr: s.Addr})
	defer watcher.Close()
	soonEnough(t, "the sentinel knows the replica", func() bool {
		known, err := watcher.Replicas(t.Context(), "main").Result()
		return err == nil && len(known) == 1 && known[0]["master-link-status"] == "ok"
	})
	return primary, replica, fmt.Sprintf("redis://%s?sentinel=main", s.Addr)
}

// primaryBy is the address of the primary that the sentinel in url names, which may be the
// former one for a moment after another was promoted.
func primaryBy(t *testing.T, url string) string {
	t.Helper()
	address, _, _ := strings.Cut(strings.TrimPrefix(url, "redis://"), "?")
	c := goredis.NewSentinelClient(&goredis.Options{Addr: address})
	defer c.Close()
	said, err := c.GetMasterAddrByName(t.Context(), "main").Result()
	if err != nil || len(said) != 2 {
		return ""
	}
	return net.JoinHostPort(said[0], said[1])
}

// info is what a Redis says of its replication, or "".
func info(t *testing.T, r *services.Redis) string {
	c := goredis.NewClient(&goredis.Options{Addr: r.Addr})
	defer c.Close()
	said, _ := c.Info(t.Context(), "replication").Result() // it may be away
	return said
}

// ask sends a command that must succeed.
func ask(t *testing.T, r *services.Redis, words ...string) {
	t.Helper()
	if answer, err := r.Do(words...); err != nil || strings.HasPrefix(answer, "-") {
		t.Fatal(words, answer, err)
	}
}

// A primary dies and its replica takes its place: one that has all, and one that lacks the
// last entries, which somebody was promised.
func TestASentinelsFailover(t *testing.T) {
	clustertest.Run(t, func(t *testing.T) clustertest.Setup {
		primary, replica, url := sentinels(t)
		return clustertest.Setup{
			Open: func(t testing.TB) clustertest.Engine { return engine(openOptions(t, Options{URL: url})) },
			FailOver: func() {
				soonEnough(t, "the replica has all", func() bool { return length(t, replica) == length(t, primary) })
				primary.Kill()
			},
			LoseTail: func(entries int) {
				primary.Kill()
				ask(t, replica, "CONFIG", "SET", "replica-read-only", "no")
				shorten(t, replica, entries)
				soonEnough(t, "it is promoted", func() bool { return strings.Contains(info(t, replica), "role:master") })
				soonEnough(t, "the sentinel sends clients there", func() bool { return primaryBy(t, url) == replica.Addr })
			},
		}
	}, "EngineFailsOver", "EngineLosesTail")
}

func length(t *testing.T, r *services.Redis) int {
	c := goredis.NewClient(&goredis.Options{Addr: r.Addr})
	defer c.Close()
	n, err := c.XLen(t.Context(), "{podium}:log").Result()
	must(t, err)
	return int(n)
}
