package h2

// What a client may do. Before its request is authorised nothing of the body is read,
// so what strangers make the server keep is bounded by strangerWindow.
const (
	// maxStreams is how many handlers of a connection run at a time. They count until
	// they return: a client that resets its streams gets no others for that
	// (CVE-2023-44487).
	maxStreams = 128
	// maxFrame is how long a frame may be, in bytes: the least that the standard
	// allows, of which most clients make use.
	maxFrame = 16 << 10
	// strangerWindow is how much of a body may come before the handler reads it, and
	// bodyWindow how much may wait for the handler afterwards: ten times that a second
	// over a line with a delay of 100 ms.
	strangerWindow = 64<<10 - 1
	bodyWindow     = 512 << 10
	// connWindow is how much of all bodies may wait for handlers. One that does not
	// read leaves some of it to the others.
	connWindow = 2 << 20
	// maxContinuations is how many frames may continue a head. Whoever sends full
	// frames needs four for the longest.
	maxContinuations = 16
	// maxFields is how many fields a head may have, as with HTTP/1.
	maxFields = 1000
	// maxFutile is how many frames in a row may come to nothing: they neither begin
	// nor continue a request that is responded to. Keep-alives and cancelled requests
	// are far less.
	maxFutile = 2000
	// maxSettings is how many values a SETTINGS frame may have, each of which changes the
	// windows of all streams. The standard has six, and lets them be repeated.
	maxSettings = 100
	// tableSize is that of the table with which clients compress heads, in bytes: the
	// standard's default.
	tableSize = 4 << 10
)
