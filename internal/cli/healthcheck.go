package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/config"
)

type healthcheckCmd struct{}

// Run asks the service on this machine whether it is ready.
func (healthcheckCmd) Run(a *app) error {
	cfg, err := config.Load(a.env, a.file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+local(cfg.Listen)+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{}} // no proxy: it is this machine
	res, err := client.Do(req)
	if err != nil {
		return undone{fmt.Sprintf("nothing answers at %s: start smtp-sync serve, or check SMTPSYNC_LISTEN", cfg.Listen)}
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return undone{fmt.Sprintf("the service at %s is not ready (status %d): it is starting or ending, or its database or master key is not usable", cfg.Listen, res.StatusCode)}
	}
	return nil
}

// local is where an address to listen on is reached from here.
func local(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
