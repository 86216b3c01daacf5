// Package endpoint holds what everybody asks who calls a server: whom to trust,
// and whether the server is this machine. It has no state.
package endpoint

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
)

// Roots are the system's certificates and those of a PEM file; nil, which means
// the system's to package tls, if caFile is empty: they are read when the first
// certificate is verified. It fails if the file can't be read or holds none.
func Roots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate", caFile)
	}
	return roots, nil
}

// Loopback tells whether a host, without its port, is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
