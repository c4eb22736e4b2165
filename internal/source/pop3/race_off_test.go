//go:build !race

package pop3_test

const raceDetector = false
