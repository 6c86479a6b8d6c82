package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// seen is what wrk.lua prints, too. Latencies are in microseconds.
type seen struct {
	Requests     int     `json:"requests"`
	Microseconds int64   `json:"microseconds"`
	P50          float64 `json:"p50"`
	P99          float64 `json:"p99"`
	P999         float64 `json:"p999"`
	Broken       int     `json:"broken"`
	Refused      int     `json:"refused"`
}

// attack sends a request at a fixed rate over that many connections, for that many
// seconds, and prints what was seen. The file has a line with method and path, lines
// with headers, an empty line and the body.
func attack(url, file string, rate, connections, seconds int) error {
	target, err := readTarget(url, file)
	if err != nil {
		return err
	}
	attacker := vegeta.NewAttacker(vegeta.Workers(uint64(connections)), vegeta.MaxWorkers(uint64(connections)), vegeta.Connections(connections))
	duration := time.Duration(seconds) * time.Second
	begun := time.Now()
	var all seen
	var latencies []time.Duration
	for result := range attacker.Attack(vegeta.NewStaticTargeter(target), vegeta.Rate{Freq: rate, Per: time.Second}, duration, "") {
		switch {
		case result.Code == 0:
			all.Broken++
		case result.Code/100 != 2:
			all.Refused++
		}
		latencies = append(latencies, result.Latency)
	}
	all.Requests, all.Microseconds = len(latencies), time.Since(begun).Microseconds()
	if len(latencies) > 0 {
		slices.Sort(latencies)
		all.P50, all.P99, all.P999 = percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(latencies, 0.999)
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

func percentile(ascending []time.Duration, p float64) float64 {
	return float64(ascending[int(p*float64(len(ascending)-1))].Nanoseconds()) / 1e3
}

func readTarget(url, file string) (vegeta.Target, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return vegeta.Target{}, err
	}
	line, rest, _ := bytes.Cut(content, []byte("\n"))
	method, path, found := strings.Cut(string(line), " ")
	if !found {
		return vegeta.Target{}, fmt.Errorf("%s does not begin with a method and a path", file)
	}
	r := bufio.NewReader(bytes.NewReader(rest))
	header, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return vegeta.Target{}, err
	}
	body, err := io.ReadAll(r)
	return vegeta.Target{Method: method, URL: url + path, Header: http.Header(header), Body: body}, err
}
