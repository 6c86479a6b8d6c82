package upstream

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"osp/go/h1"
)

// plain reads the head of an answer as nearly all are: complete, HTTP/1.1, with
// a body of declared length, in the strict form that the front wants of
// requests. It returns nil for every other, which net/http's parser reads: what
// is read here, that reads in the same way, and takes half as long again.
// length is what the head takes of p.
func plain(p []byte, req *http.Request) (resp *http.Response, length int) {
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0
	}
	line, rest, _ := strings.Cut(string(p[:end+2]), "\r\n")
	status, code := statusOf(line)
	if code == 0 {
		return nil, 0
	}
	header := plainFields(rest)
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
		resp.Body = nil // the connection's to set
	}
	return resp, end + 4
}

// statusOf reads a status line; code is 0 if the answer is not plain. What may
// have no body, whatever its head says, is not.
func statusOf(line string) (status string, code int) {
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

// plainFields reads the field lines; nil if they are not plain.
func plainFields(text string) http.Header {
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
		case "Transfer-Encoding", "Trailer", "Pragma": // net/http makes something of them
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
