//go:build wasip1

package sdk

import "unsafe"

//go:wasmimport smtpsync_v1 field
//go:noescape
func field(id uint32, buf unsafe.Pointer, room uint32) int32

//go:wasmimport smtpsync_v1 header
//go:noescape
func header(name string, index int32, buf unsafe.Pointer, room uint32) int32

//go:wasmimport smtpsync_v1 number
//go:noescape
func number(id uint32) int64

//go:wasmimport smtpsync_v1 config
//go:noescape
func config(key string, buf unsafe.Pointer, room uint32) int32

//go:wasmimport smtpsync_v1 in_list
//go:noescape
func inList(id uint32, key string) int32

//go:wasmimport smtpsync_v1 matches
//go:noescape
func matches(id uint32, key string) int32

//go:wasmimport smtpsync_v1 label
//go:noescape
func label(text string) int32

//go:wasmimport smtpsync_v1 note
//go:noescape
func note(code int32, value int64)

//go:wasmimport wasi_snapshot_preview1 proc_exit
func exit(code int32)

// guest asks the real host.
type guest struct{}

// buffer takes what the host writes: a field at most, or the start of a long list.
var buffer = make([]byte, 1024)

// pull asks for a value, once more with enough room if there was too little.
func pull(ask func(buf unsafe.Pointer, room uint32) int32) (string, int32) {
	n := ask(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer)))
	if int(n) > len(buffer) {
		buffer = make([]byte, n)
		n = ask(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer)))
	}
	return string(buffer[:max(n, 0)]), n
}

func (guest) Field(id Field) (string, int32) {
	return pull(func(buf unsafe.Pointer, room uint32) int32 { return field(uint32(id), buf, room) })
}

func (guest) Header(name string, index int) (string, int32) {
	return pull(func(buf unsafe.Pointer, room uint32) int32 { return header(name, int32(index), buf, room) })
}

func (guest) Config(key string) (string, int32) {
	return pull(func(buf unsafe.Pointer, room uint32) int32 { return config(key, buf, room) })
}

func (guest) Number(id Number) int64             { return number(uint32(id)) }
func (guest) InList(id Field, key string) int32  { return inList(uint32(id), key) }
func (guest) Matches(id Field, key string) int32 { return matches(uint32(id), key) }
func (guest) Label(text string) int32            { return label(text) }
func (guest) Note(code int32, value int64)       { note(code, value) }

//go:wasmexport configure_v1
func configureV1() int32 {
	defer end()
	if registered.Configure == nil {
		return 0
	}
	return registered.Configure(Settings{guest{}})
}

//go:wasmexport filter_v1
func filterV1() uint64 {
	defer end()
	return uint64(registered.Filter(Message{Settings{guest{}}}))
}

// end makes a panic a failure at once: the runtime would spend the message's fuel
// on a trace of the stack that nobody sees.
func end() {
	if recover() != nil {
		exit(2)
	}
}
