package testkit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// epoch is when the first generated mail was sent.
var epoch = time.Date(2024, 1, 1, 8, 0, 0, 0, time.UTC)

// Message makes an ordinary mail of about 1 to 8 KB with CRLF line ends.
// Equal seeds give equal octets, different seeds different Message-IDs.
func Message(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	sender := pick(r, names)
	host := pick(r, hosts)
	date := epoch.Add(time.Duration(seed%100_000) * 13 * time.Minute)
	stamp := date.Format(time.RFC1123Z)
	fmt.Fprintf(&b, "Return-Path: <%s@%s>\r\n", strings.ToLower(sender), host)
	for hop := range 1 + r.IntN(4) {
		fmt.Fprintf(&b, "Received: from mx%d.%s (mx%d.%s [192.0.2.%d])\r\n\tby mail.old.example (Postfix) with ESMTPS id %X\r\n\tfor <me@old.example>; %s\r\n",
			hop, host, hop, host, 1+r.IntN(250), r.Uint64(), stamp)
	}
	fmt.Fprintf(&b, "Message-ID: <%d.%x@%s>\r\nDate: %s\r\nFrom: %s\r\nTo: Me <me@old.example>\r\nSubject: %s\r\nMIME-Version: 1.0\r\n",
		seed, r.Uint32(), host, stamp, author(r, sender, host), subject(r, seed))
	switch r.IntN(4) {
	case 0:
		alternative(&b, r)
	case 1:
		attachment(&b, r)
	case 2:
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, žluťoučký kůň, こんにちは\r\n")
		prose(&b, r, 5+r.IntN(60))
	default:
		b.WriteString("Content-Type: text/plain; charset=us-ascii\r\n\r\n")
		prose(&b, r, 5+r.IntN(60))
	}
	return b.Bytes()
}

var (
	names = []string{"Ada", "Boris", "Chen", "Dara", "Emil", "Fatima", "Goran", "Hana", "Ines", "Jonas"}
	hosts = []string{"old.example", "shop.example", "news.example", "mail.bank.example", "xn--mnchen-3ya.example", "lists.club.example"}
	words = strings.Fields(`the a mail post letter of from to and we you they bring send keep lose find river garden paper
		window morning winter train ticket invoice meeting again never always today tomorrow slowly quickly blue green warm cold`)
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func author(r *rand.Rand, name, host string) string {
	address := strings.ToLower(name) + "@" + host
	return pick(r, []string{
		address,
		name + " <" + address + ">",
		`"` + name + `, of the Club" <` + address + ">",
		"=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(name+" Müller")) + "?=\r\n <" + address + ">",
	})
}

func subject(r *rand.Rand, seed uint64) string {
	return fmt.Sprintf("%s %s %s (%d)", pick(r, []string{"Re:", "Fwd:", "About", "=?utf-8?Q?F=C3=BCr?="}), pick(r, words), pick(r, words), seed)
}

// prose writes lines of words; now and then one that POP3 must dot-stuff.
func prose(b *bytes.Buffer, r *rand.Rand, lines int) {
	for range lines {
		if r.IntN(30) == 0 {
			b.WriteByte('.')
		}
		for i := range 6 + r.IntN(6) {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(pick(r, words))
		}
		b.WriteString("\r\n")
	}
}

func alternative(b *bytes.Buffer, r *rand.Rand) {
	b.WriteString("Content-Type: multipart/alternative; boundary=\"=_alt\"\r\n\r\n--=_alt\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	prose(b, r, 5+r.IntN(20))
	b.WriteString("--=_alt\r\nContent-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body style=3D\"color:=\r\n black\"><p>\r\n")
	prose(b, r, 5+r.IntN(20))
	b.WriteString("</p></body></html>\r\n--=_alt--\r\n")
}

func attachment(b *bytes.Buffer, r *rand.Rand) {
	b.WriteString("Content-Type: multipart/mixed; boundary=\"=_mix\"\r\n\r\n--=_mix\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	prose(b, r, 3+r.IntN(10))
	b.WriteString("--=_mix\r\nContent-Type: image/png; name=\"picture.png\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"picture.png\"\r\n\r\n")
	octets := make([]byte, 57*(8+r.IntN(70)))
	for i := range octets {
		octets[i] = byte(r.Uint32())
	}
	text := base64.StdEncoding.EncodeToString(octets)
	for line := range (len(text) + 75) / 76 {
		b.WriteString(text[line*76:min(line*76+76, len(text))] + "\r\n")
	}
	b.WriteString("--=_mix--\r\n")
}
