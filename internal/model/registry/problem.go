package registry

import "fmt"

// problem is why a registry is not used: the reason of a condition, and a sentence that says what to write or what is wrong.
type problem struct {
	reason, message string
}

func refused(reason, format string, args ...any) *problem {
	return &problem{reason, fmt.Sprintf(format, args...)}
}
