//go:build race

package pop3_test

const raceDetector = true // it allocates on its own account
