package server

import (
	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/text"
)

// promise is one of the published privacy policy's, in our own words (the texts
// privacy.promise.* and privacy.how.*), and how anyone can check it.
type promise struct {
	ID    string
	Pages []place
	Tests []proof
}

// proof is a test that fails when the promise is broken.
type proof struct{ Dir, Name string }

// Command runs it.
func (p proof) Command() string { return "go test -run " + p.Name + " " + p.Dir }

// promises are all that the policy makes. A test sees that the tests named here
// exist.
func promises() []promise {
	settings := place{Path: "/settings", Name: text.T("nav.settings")}
	lens := place{Path: "/lens", Name: text.T("lens.title")}
	audit := place{Path: "/audit", Name: text.T("nav.audit")}
	return []promise{
		{"content", nil, []proof{{"./internal/e2e", "TestNoOctetOfABodyIsLeftBehind"}, {"./internal/e2e", "TestTheCanaryWouldBeFound"}}},
		{"memory", nil, []proof{{"./internal/e2e", "TestLargeMailNeedsNoMoreMemoryThanSmall"}, {"./internal/source/imap", "TestLargeMessageIsNeverHeldInMemory"}}},
		{"google", []place{settings}, []proof{{"./internal/gmail", "TestWithoutTheLabelsScopeGmailIsAskedNothing"}}},
		{"passwords", []place{lens}, []proof{{"./server", "TestAPasswordIsInNoAnswer"}, {"./server", "TestTokensGoToTheirOwnServerAlone"}, {"./internal/source/imap", "TestConnectionIsNeverResumedForAnotherMailbox"}}},
		{"rest", nil, []proof{{"./internal/store/sqlite", "TestNothingIsOnDiskInTheClear"}, {"./internal/vault", "TestASealedValueOpensOnlyAtItsPlaceUnderItsKey"}}},
		{"transit", nil, []proof{{"./internal/source/imap", "TestNothingIsSentBeforeTLS"}, {"./internal/source/pop3", "TestPasswordNeverLeavesWithoutTLS"}, {"./internal/source/pop3", "TestBadCertificateStopsBeforeLogin"}}},
		{"isolation", nil, []proof{{"./server", "TestWhatIsSomebodyElsesIsNotFoundOnEveryRoute"}, {"./actors", "TestARevokedGrantStopsTheUserAndNobodyElse"}}},
		{"audit", []place{audit}, []proof{{"./actors", "TestNoMessageReachesTheLog"}, {"./internal/telemetry", "TestKeysOfTheClosedSetAreWritten"}}},
		{"everything", []place{lens}, []proof{{"./internal/store/sqlite", "TestExportHasAllThatIsHeldAndNothingThatOpensAnything"}, {"./internal/store/sqlite", "TestEveryColumnIsInTheExport"}}},
		{"delete", []place{settings}, []proof{{"./server", "TestAMailboxIsWipedAfterItsNameIsTyped"}, {"./server", "TestAnAccountIsWipedAfterItsAddressIsTyped"}}},
		{"wipe", nil, []proof{{"./internal/store/sqlite", "TestWipedUserIsNoiseInEveryCopy"}, {"./internal/store/sqlite", "TestWipedMailboxIsNoiseInEveryCopy"}, {"./internal/vault", "TestADestroyedUserIsNoiseAlsoInABackupOfTheDatabase"}}},
		{"revoke", []place{settings}, []proof{{"./internal/bridge", "TestARevokedGrantStopsThePassAtOnce"}, {"./internal/store/sqlite", "TestRevocationIsOneStep"}, {"./internal/e2e", "TestAnUploadUnderWayIsCutWhateverEndsIt"}}},
		{"active", []place{settings}, []proof{{"./internal/store/sqlite", "TestReplacedTokenIsForgotten"}, {"./internal/jobs", "TestAuditLinesAreKeptAsLongAsWasSaid"}}},
		{"third", nil, []proof{{"./server", "TestPagesLoadNothingInlineAndNothingFromElsewhere"}, {".", "TestArchForeignModulesLiveInTheirHomes"}}},
		{"limited", nil, []proof{{".", "TestArchImportsFollowThePicture"}}},
	}
}

type privacyView struct{ Promises []promise }

func (s *Service) privacyPage() []*route {
	page := pageAt("/privacy", "privacyPage", "What we promise, and how to check it", s.showPrivacy)
	page.access, page.rate = anybody, reads
	return []*route{page}
}

// showPrivacy is for everybody, before signing in too.
func (s *Service) showPrivacy(c *call) error {
	return c.showAs(fiber.StatusOK, "privacy", text.T("privacy.title"), privacyView{promises()})
}
