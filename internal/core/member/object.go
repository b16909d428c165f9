package member

import (
	"bytes"
	"encoding/json"
)

// object understands {"name", "host", "port", "key"}.
func (p *listParser) object(raw json.RawMessage, at int) Member {
	var m Member
	seen := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	for _, err := dec.Token(); err == nil && dec.More(); {
		key, keyAt, value, valueAt := nextField(dec, raw)
		if seen[key] {
			p.mistake(at+keyAt, "the key %s is there twice: keep one", quote(key))
			continue
		}
		seen[key] = true
		p.field(&m, key, at+keyAt, value, at+valueAt)
	}
	for _, key := range []string{"host", "port"} {
		if !seen[key] {
			p.mistake(at, `the member has no %q: write {"name": "a", "host": "127.0.0.1", "port": 3000}`, key)
		}
	}
	return named(m)
}

// nextField reads a key and its value. The JSON is known to be well-formed, so
// nothing can fail.
func nextField(dec *json.Decoder, raw json.RawMessage) (key string, keyAt int, value json.RawMessage, valueAt int) {
	start := int(dec.InputOffset())
	token, _ := dec.Token()
	key, _ = token.(string)
	keyAt = start + bytes.IndexByte(raw[start:], '"')
	_ = dec.Decode(&value)
	return key, keyAt, value, int(dec.InputOffset()) - len(value)
}

func (p *listParser) field(m *Member, key string, keyAt int, value json.RawMessage, at int) {
	switch key {
	case "port":
		m.Port = p.portField(value, at)
	case "host":
		if text, ok := p.stringField(key, value, at); ok {
			m.Host = p.host(text, at)
		}
	case "name":
		if text, ok := p.stringField(key, value, at); ok {
			m.Name = p.memberName(text, at)
		}
	case "key":
		m.Key, _ = p.stringField(key, value, at)
	default:
		p.mistake(keyAt, `unknown key %s: a member has "name", "host", "port" and "key"`, quote(key))
	}
}

func (p *listParser) stringField(key string, value json.RawMessage, at int) (text string, ok bool) {
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		p.mistake(at, "%q must be a string in quotes, not %s", key, kindOf(value))
		return "", false
	}
	return text, true
}

func (p *listParser) portField(value json.RawMessage, at int) int {
	if kindOf(value) != "a number" {
		p.mistake(at, `"port" must be a number without quotes, not %s`, kindOf(value))
		return 0
	}
	return p.port(string(value), at)
}

func (p *listParser) host(text string, at int) string {
	if address, had := withoutScheme(text); had {
		p.mistake(at, `the host %s has a scheme: write %s`, quote(text), quote(address))
		return ""
	}
	host, err := CheckHost(text)
	if err != nil {
		p.mistake(at, "%v", err)
		return ""
	}
	return host
}

func (p *listParser) memberName(text string, at int) string {
	if err := CheckName(text); err != nil {
		p.mistake(at, `%v; without "name" a member is called host:port`, err)
		return ""
	}
	return text
}
