package risc

// Reaction is what an event asks for. All of it can be done twice.
type Reaction struct {
	EndSessions bool // the account's web sessions here end
	Ask         bool // refresh the access token now: invalid_grant destroys the grant
	Destroy     bool // stop its transfers, destroy tokens and what came from Google (design: revocation)
	Wipe        bool // wipe everything of this user
}

// React says what each event is answered with, and why.
//
//	sessions-revoked     The owner, or Google, has ended the account's sessions:
//	                     ours end too. The grant was not withdrawn; a new password
//	                     has killed it all the same, so Google is asked at once.
//	tokens-revoked       All grants to us are withdrawn: destroy.
//	token-revoked        One refresh token is gone: destroy, if it is the one that
//	                     is kept (Matches). Signing in is not affected.
//	account-disabled     hijacking: somebody else may be signed in here, and may be
//	                     who asked for the import: end sessions, destroy. Otherwise
//	                     the account cannot be used for now: end sessions, ask.
//	account-purged       The account is gone for good, and with it the only way to
//	                     sign in here: nobody could ever delete what is left. Wipe.
//	account-enabled      Nothing: what was destroyed is given again by its owner, or
//	                     was not destroyed.
//	credential-change-required, verification, unknown ones
//	                     Nothing but a line in the log.
//
// For Destroy and Wipe see Event.Before first: after a new grant, an event about
// the old one is history. Purged accounts get no new grant.
func React(e Event) Reaction {
	switch e.Kind {
	case SessionsRevoked:
		return Reaction{EndSessions: true, Ask: true}
	case TokensRevoked:
		return Reaction{EndSessions: true, Destroy: true}
	case TokenRevoked:
		return Reaction{Destroy: true}
	case AccountDisabled:
		if e.Reason == "hijacking" {
			return Reaction{EndSessions: true, Destroy: true}
		}
		return Reaction{EndSessions: true, Ask: true}
	case AccountPurged:
		return Reaction{EndSessions: true, Destroy: true, Wipe: true}
	case AccountEnabled, CredentialChangeRequired, Verification, Other:
		return Reaction{}
	}
	panic("risc: no reaction to " + string(e.Kind))
}
