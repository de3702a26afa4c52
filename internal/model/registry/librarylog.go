package registry

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"github.com/sirupsen/logrus"
)

// logLibrary sends what the distribution library logs, through a logger that is one for the whole process, to ours. It
// logs each answer below 500 as an error too, such as a client's question whether a blob is there; those are left out.
func logLibrary(log *slog.Logger) {
	logrus.SetLevel(logrus.WarnLevel)
	logrus.SetOutput(io.Discard)
	logrus.StandardLogger().ReplaceHooks(logrus.LevelHooks{})
	logrus.AddHook(libraryHook{log})
}

type libraryHook struct{ log *slog.Logger }

// Levels are those that somebody should read.
func (libraryHook) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

// Fire passes an entry on.
func (h libraryHook) Fire(entry *logrus.Entry) error {
	if status, answered := entry.Data["http.response.status"].(int); answered && status < http.StatusInternalServerError {
		return nil
	}
	level := slog.LevelError
	if entry.Level == logrus.WarnLevel {
		level = slog.LevelWarn
	}
	var fields []any
	for _, name := range []string{"err.message", "err.detail", "http.request.method", "http.request.uri", "http.request.remoteaddr"} {
		if value, found := entry.Data[name]; found {
			fields = append(fields, slog.Any(name, value))
		}
	}
	h.log.Log(context.Background(), level, entry.Message, fields...)
	return nil
}
