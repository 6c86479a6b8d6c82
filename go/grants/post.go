package grants

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const maxResponse = 1 << 20

var errTooLong = errors.New("its response is too long")

// Response is what a service responded, all of it.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send sends a request to a service, within the time of one attempt. An error is
// worth another attempt, after at least wait.
func Send(t http.RoundTripper, req *http.Request) (r Response, wait time.Duration, err error) {
	client := http.Client{
		Transport: t,
		Timeout:   attemptTime,
		// A redirect would carry what is given to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return Response{}, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case err != nil:
		return Response{}, 0, err
	case len(body) > maxResponse:
		return Response{}, 0, errTooLong
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		return Response{}, retryAfter(resp.Header), fmt.Errorf("status %d", resp.StatusCode)
	}
	return Response{resp.StatusCode, resp.Header, body}, 0, nil
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, int(longestPause/time.Second))) * time.Second
}
