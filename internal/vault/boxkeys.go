package vault

// BoxKeys are the keys of one mailbox, of which its salt is part: the hashes of
// its ledger, and the key that seals its password and upload sessions. With the
// salt, all of these are gone from every copy of a store, though the mailbox's
// user and the user's key live on.
type BoxKeys struct {
	Hashes *MailboxKeys
	Sealer *UserKey
}

const mailboxSeal = "smtp-sync/mailbox-seal/v1"

// BoxKeys gives the keys of the mailbox that has this salt.
func (k *UserKey) BoxKeys(salt Secret) *BoxKeys {
	b := &BoxKeys{Hashes: k.MailboxKeys(salt)}
	b.Sealer = NewUserKey(k.user, b.Derive(mailboxSeal))
	return b
}

// Derive gives a key of 32 octets for one purpose: the hash of its label under a
// key of user and salt.
func (b *BoxKeys) Derive(label string) Secret {
	h := b.Hashes.Stream()
	h.Write([]byte(label))
	return NewSecret(h.Sum(nil))
}
