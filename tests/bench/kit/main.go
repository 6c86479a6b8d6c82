// Command kit is what the benchmark needs in Go: a store that reads bodies and
// forgets them, load at a fixed rate, and the cost of SHA-256 as the library pays it.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

var errUsage = errors.New("usage: kit sink PORT | kit sha256 BYTES | kit attack URL FILE RATE CONNECTIONS SECONDS")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kit:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "sink":
		return withNumbers(args[1:], func(n []int) error { return sink(n[0]) })
	case len(args) == 2 && args[0] == "sha256":
		return withNumbers(args[1:], func(n []int) error { return hash(n[0]) })
	case len(args) == 6 && args[0] == "attack":
		return withNumbers(args[3:], func(n []int) error { return attack(args[1], args[2], n[0], n[1], n[2]) })
	}
	return errUsage
}

func withNumbers(texts []string, do func([]int) error) error {
	var numbers []int
	for _, text := range texts {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		numbers = append(numbers, n)
	}
	return do(numbers)
}
