package vault_test

// Values made by the first release; all but the sealed one were computed a second
// time by a program of another language from the descriptions in the comments.
const (
	goldenPage       = "cea678da5dd076db5a43cd6f39caeb586b1540d99de57347d230bae38553b8f68f409071adcbed94c0f37c2e644bda57e43b1923b0205910ccc0ed098e9af24e"
	goldenSealed     = "01fbdfcc930968840e74381d4c2d679d4f22d4de764588b00fbe4b367290e474a5be8c5d075d3acaf5d3d4e5090996ff8fa3f0"
	goldenPOP3       = "0c99ae5ab17a55f04df5e2209f11c7be"
	goldenIMAP       = "69a766498be9c9406c19512e22ed9b28"
	goldenContent    = "803ac1dda14e004ad54e0d7f342c238a"
	goldenOccurrence = "0c99ae5ab17af5edf0b2e22e6abb5533"
	goldenStream     = "312e4b0dd9c45f0a6392723245079e3b"
)
