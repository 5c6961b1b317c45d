package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// overTLS is what the address of a server begins with that is spoken to by TLS.
const overTLS = "tls:"

// connectTo opens a connection.
func connectTo(addr string) (net.Conn, error) {
	plain, secure := strings.CutPrefix(addr, overTLS)
	if !secure {
		return net.Dial("tcp", addr)
	}
	return tls.Dial("tcp", plain, clientTLS())
}

// clientTLS is how clients shake hands. Both servers agree to one key exchange and one
// version: else each would choose what it knows, and the rows would measure that. Every
// handshake is a full one. The certificate is not looked at: the load program started the
// server, and would only use up CPU.
func clientTLS() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		InsecureSkipVerify: true, // #nosec G402 -- see above
	}
}

// startTLS starts a server with a certificate that is made for it: Node's and ours.
func startTLS(p peer, flags ...string) (*running, error) {
	if p.name != "node" && p.name != "podium" {
		return nil, errAbsent
	}
	dir, err := os.MkdirTemp("", "podium-bench-tls-")
	if err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := makeCertificate(cert, key); err != nil {
		return nil, err
	}
	return startOver(overTLS, p, append([]string{"--cert", cert, "--key", key}, flags...)...)
}

// makeCertificate writes a certificate for loopback that vouches for itself, and its key.
func makeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(certFile, "CERTIFICATE", cert); err != nil {
		return err
	}
	return writePEM(keyFile, "PRIVATE KEY", private)
}

func writePEM(name, kind string, der []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
