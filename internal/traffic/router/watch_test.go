package router_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/internal/traffic/router"
)

func config(name, text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "suoke-life", Labels: map[string]string{route.Label: "true"}},
		Data:       map[string]string{route.Key: text, "state.json": "{}"},
	}
}

func routeText(t *testing.T, revision int64) string {
	t.Helper()
	data, err := json.Marshal(route.Route{
		Model: "m", Revision: revision, Stable: "m-1",
		Versions: []route.Version{{ID: "m-1", Version: "v1", Weight: 100, Port: 8080}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRoutesFollowTheConfigMaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(config("m-route", routeText(t, 1)))
		rt := router.New(router.Config{
			Pods:   func(string, int) *balance.Set { return &balance.Set{} },
			Forget: func(string, int) {},
		}, prometheus.NewRegistry())
		var log strings.Builder
		watch, err := router.NewWatch(client, "suoke-life", rt, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			watch.Run(ctx)
		}()
		defer func() {
			cancel()
			<-done
		}()
		for !watch.Synced() {
			time.Sleep(time.Millisecond) // the bubble's clock
		}
		api := client.CoreV1().ConfigMaps("suoke-life")
		applied := func(when string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := rt.Report(time.Now(), 0).Models["m"].AppliedRevision; got != want {
				t.Errorf("%s: revision %d is applied, want %d", when, got, want)
			}
		}
		update := func(name, text string) {
			t.Helper()
			if _, err := api.Update(t.Context(), config(name, text), metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		applied("at first", 1)
		update("m-route", routeText(t, 2))
		applied("after an update", 2)
		update("m-route", "{")
		update("m-route", "{")
		applied("after nonsense", 2)
		if n := strings.Count(log.String(), "keeping the last good route"); n != 1 {
			t.Errorf("nonsense was logged %d times, want once", n)
		}
		update("m-route", routeText(t, 3))
		applied("after sense again", 3)
		if _, err := api.Create(t.Context(), config("other-route", routeText(t, 9)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		applied("after another ConfigMap claims the model", 3)
		if err := api.Delete(t.Context(), "m-route", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		applied("after the ConfigMap is gone", 0)
	})
}

func TestReportOverHTTP(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.split(0)
	s := httptest.NewServer(http.HandlerFunc(w.router.ServeReport))
	t.Cleanup(s.Close)
	fetch := func(query string) (int, route.Report) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+route.ReportPath+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var r route.Report
		_ = json.Unmarshal(data, &r) // an error's text is no report
		return res.StatusCode, r
	}
	if code, r := fetch("?model=m&since=0"); code != 200 || r.Models["m"].AppliedRevision != 7 || r.Router != "router-0" || r.Process == "" {
		t.Errorf("report: %d %+v", code, r)
	}
	if code, r := fetch("?model=other"); code != 200 || len(r.Models) != 0 {
		t.Errorf("report of a model that is not there: %d %+v", code, r)
	}
	if code, _ := fetch("?since=yesterday"); code != 400 {
		t.Errorf("since=yesterday: %d, want 400", code)
	}
}
