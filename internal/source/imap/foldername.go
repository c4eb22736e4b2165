package imap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// folderName writes the name of a folder as a command has it: in modified
// UTF-7 (RFC 3501 5.1.3), or as it is for a server that knows IMAP4rev2 alone
// (RFC 9051 5.1).
func folderName(name string, can abilities) string {
	if !can.all(onlyRev2) {
		name = modifiedUTF7(name)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// mutf7 is base64 with "," for "/" and without padding.
var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

func modifiedUTF7(s string) string {
	var out strings.Builder
	var wide []byte // UTF-16, big-endian
	flush := func() {
		if len(wide) > 0 {
			out.WriteString("&" + mutf7.EncodeToString(wide) + "-")
			wide = wide[:0]
		}
	}
	for _, r := range s {
		switch {
		case r >= 0x20 && r <= 0x7e:
			flush()
			if out.WriteRune(r); r == '&' {
				out.WriteByte('-')
			}
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				wide = append(wide, byte(u>>8), byte(u))
			}
		}
	}
	flush()
	return out.String()
}
