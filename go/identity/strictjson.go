package identity

import (
	"bytes"
	"encoding/json"
	"io"
)

// readObject reads one JSON object in which no name occurs twice, at any level: of two
// claims of one name, two readers may see different ones.
func readObject(data []byte) (map[string]any, error) {
	tokens := json.NewDecoder(bytes.NewReader(data))
	tokens.UseNumber()
	value, err := readValue(tokens, 0)
	if err != nil {
		return nil, errJSON
	}
	object, ok := value.(map[string]any)
	if _, err := tokens.Token(); err != io.EOF || !ok {
		return nil, errJSON
	}
	return object, nil
}

func readValue(tokens *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errJSON
	}
	next, err := tokens.Token()
	if err != nil {
		return nil, err
	}
	switch next {
	case json.Delim('{'):
		return readMembers(tokens, depth)
	case json.Delim('['):
		return readItems(tokens, depth)
	}
	return next, nil
}

func readMembers(tokens *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for tokens.More() {
		next, err := tokens.Token()
		name, ok := next.(string)
		if err != nil || !ok {
			return nil, errJSON
		}
		if _, twice := object[name]; twice {
			return nil, errJSON
		}
		if object[name], err = readValue(tokens, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := tokens.Token() // its end
	return object, err
}

func readItems(tokens *json.Decoder, depth int) (any, error) {
	list := []any{}
	for tokens.More() {
		item, err := readValue(tokens, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err := tokens.Token() // its end
	return list, err
}
