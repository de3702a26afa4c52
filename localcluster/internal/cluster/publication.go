package cluster

import (
	"fmt"
	"regexp"
	"strconv"
)

// Publication is a port of a Service that is reached at a port of 127.0.0.1.
type Publication struct {
	Port        int    `json:"port"`
	Namespace   string `json:"namespace"`
	Service     string `json:"service"`
	ServicePort int    `json:"servicePort"`
}

// ParsePublication reads PORT=NAMESPACE/SERVICE:PORT.
func ParsePublication(text string) (Publication, error) {
	const label = `([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)`
	parts := regexp.MustCompile(`^(\d{1,5})=` + label + `/` + label + `:(\d{1,5})$`).FindStringSubmatch(text)
	if parts == nil {
		return Publication{}, fmt.Errorf("--publish %q: write PORT=NAMESPACE/SERVICE:PORT, for example 3000=suoke-life/suokelife-service:80", text)
	}
	port, portErr := strconv.Atoi(parts[1])
	servicePort, servicePortErr := strconv.Atoi(parts[4])
	if portErr != nil || servicePortErr != nil || port < 1 || port > 65535 || servicePort < 1 || servicePort > 65535 {
		return Publication{}, fmt.Errorf("--publish %q: write ports from 1 to 65535", text)
	}
	return Publication{Port: port, Namespace: parts[2], Service: parts[3], ServicePort: servicePort}, nil
}

// Target is the Service's side of the publication.
func (p Publication) Target() string {
	return fmt.Sprintf("%s/%s:%d", p.Namespace, p.Service, p.ServicePort)
}
