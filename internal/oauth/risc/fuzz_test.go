package risc

import "testing"

// Claims are the issuer's once the signature is right; reading them must still
// end well whatever they are.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{"iss":"i/","aud":"c","iat":1,"jti":"j","events":{}}`,
		`{"iss":"i/","aud":["c"],"iat":4102444800,"jti":"j","events":{"https://schemas.openid.net/secevent/risc/event-type/verification":{"state":"x"}}}`,
		`{"iss":"i/","aud":[1],"iat":1e400,"jti":null,"events":[]}`, `null`, `[]`, `{"events":{"x":null}}`,
	} {
		f.Add([]byte(s))
	}
	r := &Receiver{audience: []string{"c"}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		events, err := r.events("i/", payload)
		if (err == nil) != (len(events) > 0) {
			t.Errorf("events = %v, %v", events, err)
		}
		for _, e := range events {
			if e.JTI == "" || e.At.IsZero() {
				t.Errorf("event = %+v", e)
			}
			React(e)
		}
	})
}
