package plugins

import (
	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// call is what host functions know while a plugin runs.
type call struct {
	plugin *Plugin
	fuel   api.MutableGlobal
	config *manifest.Config
	facts  *field.Facts // nil while settings are read
	labels []string
	notes  []Note
	said   int
	fault  Class // why a host function ended the call
}

func (c *call) begin(config *manifest.Config, facts *field.Facts) {
	c.config, c.facts, c.said = config, facts, 0
	c.labels, c.notes = c.labels[:0], c.notes[:0]
}

// end lets go of the message.
func (c *call) end() {
	c.facts = nil
	clear(c.labels[:cap(c.labels)])
}

// fail ends the call: wazero turns the panic into an error of the caller.
func (c *call) fail(class Class) {
	c.fault = class
	panic(class)
}

// pay charges what a host function does beyond its base price.
func (c *call) pay(units int) {
	left := int64(c.fuel.Get()) - int64(units)
	if c.fuel.Set(uint64(left)); left < 0 {
		c.fail(OutOfFuel)
	}
}

func u32(stack []uint64, i int) uint32 { return api.DecodeU32(stack[i]) }

func answer(stack []uint64, n int) { stack[0] = api.EncodeI32(int32(n)) }

// read gives octets of the plugin's memory. They are good until it runs again.
func (c *call) read(m api.Memory, at, n uint32) []byte {
	b, ok := m.Read(at, n)
	if !ok {
		c.fail(HostArg)
	}
	return b
}

// give writes a value into the plugin's buffer if it fits there whole, and
// answers its length.
func (c *call) give(m api.Memory, stack []uint64, value string, at, room uint32) {
	if len(value) <= int(room) {
		c.pay(len(value) / 8)
		if !m.WriteString(at, value) {
			c.fail(HostArg)
		}
	}
	answer(stack, len(value))
}

// value finds a field that the plugin may see.
func (c *call) value(id uint32) (value string, problem int) {
	switch {
	case id == 0 || id >= uint32(len(c.plugin.grant.fields)):
		return "", absent // a field of a newer host
	case !c.plugin.grant.fields[id]:
		return "", notGranted
	case c.facts == nil:
		return "", absent
	}
	value, ok := c.facts.Value(field.ID(id))
	if !ok {
		return "", absent
	}
	return value, 0
}
