package risc

import (
	"context"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/smtp-sync/smtp-sync/internal/oauth"
)

const (
	keysLife   = time.Hour   // shorter than the issuer allows, so that a withdrawn key goes soon
	keysPause  = time.Minute // between two looks
	fetchLimit = 10 * time.Second
)

// keys are the issuer's name in events and its signing keys, as published.
type keys struct {
	provider *oauth.Provider
	turn     chan struct{} // held while looking; guards all below
	issuer   string
	set      jose.JSONWebKeySet
	read     time.Time
	tried    time.Time
	failed   error // of the last look
}

func newKeys(p *oauth.Provider) *keys { return &keys{provider: p, turn: make(chan struct{}, 1)} }

// find gives the issuer's name and its RSA keys of this id, none if there is no
// such key.
func (k *keys) find(ctx context.Context, id string) (issuer string, found []jose.JSONWebKey, err error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	}
	found = k.set.Key(id)
	if fresh := time.Since(k.read) < keysLife; len(found) > 0 && fresh {
		return k.issuer, found, nil
	}
	if time.Since(k.tried) >= keysPause {
		k.tried = time.Now()
		k.failed = k.look(ctx)
		found = k.set.Key(id)
	}
	return k.issuer, found, k.failed
}

// look reads configuration and keys. It goes on when the request it is for has
// been given up: else one impatient sender could keep us blind for a minute.
func (k *keys) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
	defer cancel()
	base := strings.TrimSuffix(k.provider.Issuer(), "/")
	var c struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := k.provider.Document(ctx, base+"/.well-known/risc-configuration", &c); err != nil {
		return err
	}
	if strings.TrimSuffix(c.Issuer, "/") != base {
		return errIssuer()
	}
	var set jose.JSONWebKeySet
	if err := k.provider.Document(ctx, c.JWKS, &set); err != nil {
		return err
	}
	k.issuer, k.set, k.read = c.Issuer, set, time.Now()
	return nil
}
