package front

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of a header of the PROXY protocol, whose text is
// haproxy.org/download/3.2/doc/proxy-protocol.txt.
const (
	longestV1 = 107     // bytes, by section 2.1
	longestV2 = 4 << 10 // bytes after the fixed part: addresses, and extensions that are skipped
)

// errHeader says that a connection does not begin with a header of the PROXY
// protocol, or with one that is ambiguous.
var errHeader = errors.New("no valid header of the PROXY protocol")

// unknown is the address of a client of which the balancer says nothing. It is never
// trusted: what comes over the connection is the client's, not the balancer's.
const unknown = namedAddr("unknown")

var (
	signatureV1 = []byte("PROXY ")
	signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// readHeader reads a header of the PROXY protocol, of version 1 or 2, and not one
// byte more. It returns the client's address; nil if the balancer is the client, as
// for its health checks. Errors other than errHeader are the reader's.
func readHeader(r io.Reader) (net.Addr, error) {
	begin := make([]byte, len(signatureV2), longestV1) // no header is shorter
	if _, err := io.ReadFull(r, begin); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(begin, signatureV2):
		return readV2(r)
	case bytes.HasPrefix(begin, signatureV1):
		return readV1(r, begin)
	}
	return nil, errHeader
}

// readV1 reads a line byte by byte: what follows it belongs to the server.
func readV1(r io.Reader, line []byte) (net.Addr, error) {
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == longestV1 {
			return nil, fmt.Errorf("%w: the line does not end", errHeader)
		}
		line = line[:len(line)+1]
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return nil, err
		}
	}
	fields := strings.Split(string(line[:len(line)-2]), " ")
	if fields[1] == "UNKNOWN" { // whatever follows, section 2.1 says
		return unknown, nil
	}
	if len(fields) != 6 {
		return nil, fmt.Errorf("%w: %d fields", errHeader, len(fields))
	}
	source, err := endpoint(fields[1], fields[2], fields[4])
	if err != nil {
		return nil, err
	}
	if _, err := endpoint(fields[1], fields[3], fields[5]); err != nil {
		return nil, err
	}
	return source, nil
}

// endpoint is an address and a port as the line of version 1 spells them.
func endpoint(family, address, port string) (net.Addr, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" || family != "TCP4" && family != "TCP6" || ip.Is4() != (family == "TCP4") {
		return nil, fmt.Errorf("%w: the address", errHeader)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return nil, fmt.Errorf("%w: the port", errHeader)
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(n))), nil
}

// Values of version 2, section 2.2: the version with a command, and a family
// with the transport.
const (
	v2Local = 0x20
	v2Proxy = 0x21

	v2Unspecified = 0x00
	v2TCP4        = 0x11
	v2TCP6        = 0x21
	v2Unix        = 0x31
)

// v2Lengths are the lengths in bytes of source and destination together.
var v2Lengths = map[byte]int{v2Unspecified: 0, v2TCP4: 12, v2TCP6: 36, v2Unix: 216}

func readV2(r io.Reader) (net.Addr, error) {
	var fixed [4]byte // what follows the signature
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return nil, err
	}
	command, family, length := fixed[0], fixed[1], int(binary.BigEndian.Uint16(fixed[2:]))
	needed, known := v2Lengths[family]
	switch {
	case command != v2Local && command != v2Proxy:
		return nil, fmt.Errorf("%w: version and command %#x", errHeader, command)
	case length > longestV2:
		return nil, fmt.Errorf("%w: %d bytes", errHeader, length)
	case command == v2Proxy && !known:
		return nil, fmt.Errorf("%w: family %#x", errHeader, family)
	case command == v2Proxy && length < needed:
		return nil, fmt.Errorf("%w: family %#x with %d bytes", errHeader, family, length)
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, err
	}
	switch {
	case command == v2Local:
		return nil, nil
	case family == v2TCP4:
		return v2Source(rest, 4), nil
	case family == v2TCP6:
		return v2Source(rest, 16), nil
	}
	return unknown, nil
}

// v2Source is the first of two endpoints: source, destination, their ports.
func v2Source(endpoints []byte, size int) net.Addr {
	ip, _ := netip.AddrFromSlice(endpoints[:size]) // 4 or 16 bytes, which are always valid
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, binary.BigEndian.Uint16(endpoints[2*size:])))
}
