// Command kit is what the benchmark needs in Go: a store that reads bodies and
// forgets them, and the cost of SHA-256 as the library pays it.
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kit:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: kit sink PORT | kit sha256 BYTES")
	}
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "sink":
		return sink(number)
	case "sha256":
		return hash(number)
	}
	return fmt.Errorf("there is no %q", args[0])
}
