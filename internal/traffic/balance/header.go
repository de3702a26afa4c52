package balance

import (
	"net/http"
	"strings"
)

// EndToEnd returns the headers that a proxy passes on: a copy without those that belong to one connection (RFC 9110,
// section 7.6.1).
func EndToEnd(from http.Header) http.Header {
	to := make(http.Header, len(from)+1)
	CopyEndToEnd(to, from)
	return to
}

// CopyEndToEnd adds to one message's headers those of another that a proxy passes on.
func CopyEndToEnd(to, from http.Header) {
	for name, values := range from {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
			"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect":
		default:
			to[name] = values
		}
	}
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			to.Del(strings.TrimSpace(name))
		}
	}
}
