package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// cancelled gives the Fault for work that its owner ended, or nil.
func cancelled(ctx context.Context) *mail.Fault {
	if ctx.Err() == nil {
		return nil
	}
	return &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: context.Cause(ctx)}
}

// dialFault names why no connection came about.
func dialFault(ctx context.Context, host string, port uint16, err error) error {
	if f, ok := mail.AsFault(err); ok {
		return f
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return &mail.Fault{Class: mail.Setup, Code: "dns", Err: err,
			Text: fmt.Sprintf("there is no host called %s", host), Help: "check the spelling"}
	}
	if f := cancelled(ctx); f != nil {
		return f
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &mail.Fault{Class: mail.Transient, Code: "dns", Err: err,
			Text: fmt.Sprintf("the address of %s could not be found out", host), Help: "it is tried again; check the name server if it stays so"}
	}
	if timedOut(err) {
		return &mail.Fault{Class: mail.Transient, Code: "timeout_connect", Err: err,
			Text: fmt.Sprintf("%s does not answer on port %d", host, port), Help: "check host and port; it is tried again"}
	}
	return &mail.Fault{Class: mail.Transient, Code: "unreachable", Err: err,
		Text: fmt.Sprintf("%s cannot be reached on port %d", host, port), Help: "check host and port; it is tried again"}
}

// tlsFault names why the connection could not be secured.
func tlsFault(ctx context.Context, host string, err error) error {
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		reason, help := certReason(host, bad, time.Now())
		return &mail.Fault{Class: mail.Setup, Code: "tls_certificate", Err: err,
			Text: fmt.Sprintf("the certificate of %s %s", host, reason), Help: help}
	}
	if f := cancelled(ctx); f != nil {
		return f
	}
	if timedOut(err) {
		return &mail.Fault{Class: mail.Transient, Code: "timeout_connect", Err: err,
			Text: fmt.Sprintf("%s did not finish the TLS handshake in time", host), Help: "it is tried again; check that the port speaks TLS"}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &mail.Fault{Class: mail.Setup, Code: "tls_handshake", Err: err,
			Text: fmt.Sprintf("%s does not speak TLS on this port", host), Help: "use the TLS port (993 or 995), or STARTTLS/STLS on 143 or 110"}
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return handshakeRefused(host, err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // an alert the server sent
		return handshakeRefused(host, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isNet(err) {
		return &mail.Fault{Class: mail.Transient, Code: "tls_handshake", Err: err,
			Text: fmt.Sprintf("%s broke off the TLS handshake", host), Help: "it is tried again"}
	}
	return handshakeRefused(host, err)
}

func handshakeRefused(host string, err error) error {
	return &mail.Fault{Class: mail.Setup, Code: "tls_handshake", Err: err,
		Text: fmt.Sprintf("no common TLS with %s", host), Help: "the server must speak TLS 1.2 or newer; ask its operator"}
}

// certReason says what is wrong with a certificate and what helps, from the
// verification alone: nothing of the certificate's text is repeated.
func certReason(host string, bad *tls.CertificateVerificationError, now time.Time) (reason, help string) {
	var leaf *x509.Certificate
	if len(bad.UnverifiedCertificates) > 0 {
		leaf = bad.UnverifiedCertificates[0]
	}
	if _, ok := errors.AsType[x509.HostnameError](bad.Err); ok {
		return "is for another name", "use the name the provider documents; " + host + " is not in it"
	}
	if inv, ok := errors.AsType[x509.CertificateInvalidError](bad.Err); ok && inv.Reason == x509.Expired {
		if inv.Cert != nil && now.Before(inv.Cert.NotBefore) {
			return "is not yet valid", "check this machine's clock; otherwise the server's operator must install a valid certificate"
		}
		return "has expired", "the server's operator must renew it; check this machine's clock as well"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](bad.Err); ok {
		help = "use a host with a public certificate, or add its authority with SMTPSYNC_TLS_CA_FILE"
		if leaf != nil && leaf.CheckSignatureFrom(leaf) == nil || leaf != nil && string(leaf.RawIssuer) == string(leaf.RawSubject) {
			return "is self-signed", help
		}
		return "is from an unknown authority", help
	}
	return "cannot be verified", "the server's operator must install a valid certificate"
}

func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

func isNet(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}
