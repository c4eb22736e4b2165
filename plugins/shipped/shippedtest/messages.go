package shippedtest

import (
	"fmt"
	"strings"
)

// Newsletter is a header section of 2.4 kB, as they come.
var Newsletter = []byte(strings.ReplaceAll(strings.Repeat(`Received: from mx1.example.net (mx1.example.net [192.0.2.17])
	by mail.example.com (Postfix) with ESMTPS id 4XyZ1234567
	for <someone@example.com>; Tue, 24 Nov 2026 08:15:30 +0000 (UTC)
`, 4)+`Authentication-Results: mx.example.net; dkim=pass header.d=news.example.org; spf=pass; dmarc=pass
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.org; s=k1; h=from:to:subject:date;
	b=`+strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", 10)+`
From: =?utf-8?q?B=C3=BCcher_und_mehr?= <no-reply@news.example.org>
To: Someone <someone@example.com>
Subject: =?utf-8?q?Neue_B=C3=BCcher_im_November?=
Date: Tue, 24 Nov 2026 08:15:29 +0000
Message-ID: <20261124081529.1234@news.example.org>
List-Id: News <news.lists.example.org>
List-Unsubscribe: <https://news.example.org/u/1234567890>
Precedence: bulk
Auto-Submitted: auto-generated
X-Mailer: Example Mailer 7.1
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_boundary"

`, "\n", "\r\n"))

// list is a JSON list of 100 domains and one that fits.
func list() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `"blocked-%d.example.net",`, i)
	}
	return `[` + b.String() + `"example.org"]`
}

// Settings are of each rule, such as one has.
var Settings = map[string]string{
	"label-by-domain":         `{"label":"Shop"}`,
	"label-by-list-id":        `{}`,
	"mark-important-from":     `{"domains":` + list() + `}`,
	"mark-read-notifications": `{}`,
	"never-spam-from":         `{"domains":` + list() + `}`,
	"only-from":               `{"domains":` + list() + `}`,
	"size-limit":              `{"limit":"10MB"}`,
	"skip-domains":            `{"domains":` + list() + `}`,
	"skip-newsletters":        `{}`,
	"subject-regex":           `{"pattern":"(?i)november$","action":"read"}`,
}
