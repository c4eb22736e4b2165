package oauth

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestUsedStateIsRememberedWhileItsFlowLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o once
		if !o.take("a") || o.take("a") {
			t.Error("a state is good once")
		}
		time.Sleep(FlowLife - time.Second)
		o.take("b")
		time.Sleep(2 * time.Second)
		if o.take("b") {
			t.Error("b was forgotten after two seconds")
		}
		time.Sleep(2 * FlowLife)
		o.take("c")
		time.Sleep(2 * FlowLife)
		o.take("d")
		if len(o.young)+len(o.old) > 2 {
			t.Errorf("dead states are kept: %d", len(o.young)+len(o.old))
		}
	})
}

func TestUsedStatesAreBounded(t *testing.T) {
	t.Parallel()
	o := once{max: 10}
	for i := range 1000 {
		if !o.take(fmt.Sprint(i)) || o.take(fmt.Sprint(i)) {
			t.Fatal("a state is good once")
		}
		if len(o.young)+len(o.old) > 20 {
			t.Fatalf("remembered = %d", len(o.young)+len(o.old))
		}
	}
}
