package router

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ServeReport answers route.ReportPath.
func (rt *Router) ServeReport(w http.ResponseWriter, in *http.Request) {
	query := in.URL.Query()
	var since int64
	if text := query.Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, fmt.Sprintf("since: write a Unix second such as 1700000000, not %q", text), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(rt.Report(time.Now(), since, query["model"]...)) // the reader asks again next second
}
