package manifest

import "github.com/smtp-sync/smtp-sync/plugins/field"

// fieldWords are the fields as a user knows them.
var fieldWords = map[field.ID]string{
	field.FromDomain: "the sender's domain", field.FromAddress: "the sender's address", field.FromName: "the sender's name",
	field.ListID: "the mailing list", field.Subject: "the subject", field.To: "the first recipient",
	field.DeliveredTo: "the address it was delivered to", field.ReplyToDomain: "the domain that answers go to",
	field.MailboxName: "the mailbox's name", field.SourceFolder: "the folder it comes from",
	field.ListUnsubscribe: "whether one can unsubscribe", field.Precedence: "the precedence (bulk, list)",
	field.AutoSubmitted: "whether a machine wrote it", field.MessageIDDomain: "the domain of its Message-ID",
}

var verdictWords = map[string]string{
	"skip": "leave it out of Gmail", "archive": "keep it out of the inbox", "star": "star it", "important": "mark it important",
	"read": "mark it read", "never_spam": "keep it out of spam", "spam": "put it into spam",
}

// NumberWords are the numbers that every plugin may ask for.
const NumberWords = "size, dates, the results of DKIM, SPF and DMARC, how many recipients, whether it came through a list"

// Sees says in words what of a header the plugin may read, numbers aside.
func (n *Needs) Sees() (words []string) {
	for _, name := range n.Fields {
		words = append(words, fieldWords[field.Named(name)])
	}
	for _, name := range n.Headers {
		words = append(words, "the header field "+name)
	}
	return words
}

// Does says in words what the plugin may do with a message.
func (n *Needs) Does() (words []string) {
	for _, name := range n.Verdicts {
		words = append(words, verdictWords[name])
	}
	if n.Labels {
		words = append(words, "put labels on it")
	}
	return words
}
