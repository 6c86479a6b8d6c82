package upstream

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"osp/go/h1"
)

// parseSimpleHead parses the head of a response as nearly all are: complete,
// HTTP/1.1, with a body of declared length, in the strict form that h1 requires of
// requests. It returns nil for any other, which is left to net/http's parser. That
// gives the same result for what is parsed here, but takes half as long again.
// length is that of the head in p.
func parseSimpleHead(p []byte, req *http.Request) (resp *http.Response, length int) {
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0
	}
	line, rest, _ := strings.Cut(string(p[:end+2]), "\r\n")
	status, code := parseSimpleStatus(line)
	if code == 0 {
		return nil, 0
	}
	header := parseSimpleFields(rest)
	if header == nil {
		return nil, 0
	}
	size, err := strconv.ParseUint(header["Content-Length"][0], 10, 63)
	if err != nil {
		return nil, 0
	}
	resp = &http.Response{
		Status: status, StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(size), Body: http.NoBody, Request: req,
	}
	if size > 0 && req.Method != http.MethodHead {
		resp.Body = nil // for the connection to set
	}
	return resp, end + 4
}

// parseSimpleStatus parses a status line; code is 0 if the head is not simple. That
// of a response which never has a body, whatever its head says, is not.
func parseSimpleStatus(line string) (status string, code int) {
	status, found := strings.CutPrefix(line, "HTTP/1.1 ")
	if !found || len(status) < 4 || status[3] != ' ' || !h1.IsValue(status) {
		return "", 0
	}
	code, err := strconv.Atoi(status[:3])
	if err != nil || code < http.StatusOK || code == http.StatusNoContent || code == http.StatusNotModified {
		return "", 0
	}
	return status, code
}

// parseSimpleFields parses the field lines; it returns nil if they are not simple.
func parseSimpleFields(text string) http.Header {
	count := strings.Count(text, "\n")
	header := make(http.Header, count)
	values := make([]string, count)
	for i := range count {
		line, rest, _ := strings.Cut(text, "\r\n")
		text = rest
		name, value, err := h1.Field(line)
		if err != nil {
			return nil
		}
		switch name {
		case "Transfer-Encoding", "Trailer", "Pragma": // net/http acts on them
			return nil
		case "Connection":
			if value != "keep-alive" {
				return nil
			}
		}
		if there := header[name]; there != nil {
			header[name] = append(there, value)
			continue
		}
		values[i] = value
		header[name] = values[i : i+1 : i+1]
	}
	if text != "" || len(header["Content-Length"]) != 1 {
		return nil
	}
	return header
}
