package cli

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
)

type loginCmd struct {
	Labels bool `help:"Ask for the permission to manage labels too; sync --label needs it."`
}

// Run sends the person to Google's consent page and waits for the answer on a
// loopback address (RFC 8252 7.3), with PKCE.
func (l loginCmd) Run(a *app) error {
	cfg, err := a.config("login")
	if err != nil {
		return err
	}
	p, err := a.open(cfg, shared)
	if err != nil {
		return err
	}
	defer p.close()
	scopes := []string{gmail.ScopeInsert}
	if l.Labels {
		scopes = append(scopes, gmail.ScopeLabels)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("waiting for Google's answer: %w", err)
	}
	address, flow, err := p.oauth.AuthCodeURL(a.ctx, oauth.Ask{
		RedirectURL: "http://" + listener.Addr().String() + "/", Scopes: scopes,
	})
	if err != nil {
		return err
	}
	a.printf("Open this address in a browser and allow smtp-sync to add mail to your Gmail:\n\n%s\n\n", address)
	grant, err := awaitGrant(a.ctx, listener, p.oauth, flow)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		if !grant.Has(s) {
			return &mail.Fault{
				Class: mail.Grant, Code: "grant_scope_missing", Text: "the permission " + s + " was not given",
				Help: "run smtp-sync login again and tick every box",
			}
		}
	}
	err = p.store.PutGrant(a.ctx, p.userID, account.Grant{
		RefreshToken: grant.Refresh, Scopes: grant.Scopes, Email: grant.Email, Sub: grant.Sub, GrantedAt: time.Now(),
	})
	if err != nil {
		return err
	}
	a.printf("Done: mail will be imported into %s.\n", grant.Email)
	return nil
}

// awaitGrant serves the redirect address until Google's answer has come.
func awaitGrant(ctx context.Context, l net.Listener, p *oauth.Provider, flow oauth.Flow) (grant oauth.Grant, err error) {
	type answer struct {
		grant oauth.Grant
		err   error
	}
	answers := make(chan answer, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		// Whoever does not know the state is not Google: a page that knocks on
		// local ports must not end the sign-in.
		if r.URL.Path != "/" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(flow.State)) != 1 {
			http.NotFound(w, r)
			return
		}
		got := answer{err: oauth.CallbackFault(q.Get("error"))}
		if got.err == nil {
			got.grant, got.err = p.Exchange(r.Context(), flow, q.Get("state"), q.Get("code"))
		}
		if got.err == nil && got.grant.Refresh.Empty() {
			got.err = &mail.Fault{
				Class: mail.Grant, Code: "grant_offline", Text: "Google gave no lasting permission",
				Help: "remove smtp-sync under myaccount.google.com/permissions and run smtp-sync login again",
			}
		}
		text := "Done. You can close this page.\n"
		if got.err != nil {
			text = got.err.Error() + "\n"
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(text))
		select {
		case answers <- got:
		default:
		}
	})}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			select {
			case answers <- answer{err: err}:
			default:
			}
		}
	}()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	select {
	case a := <-answers:
		return a.grant, a.err
	case <-ctx.Done():
		return grant, context.Cause(ctx)
	}
}
