package main

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/pgjanus/pgjanus/config"
)

// newLogger logs to w, one line an event.
func newLogger(s config.Log, w io.Writer) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(s.Level)
	if err != nil {
		return nil, fmt.Errorf("reading log.level: %w", err)
	}
	layout := zap.NewProductionEncoderConfig()
	layout.TimeKey, layout.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	layout.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(layout)
	if s.Format == "console" {
		encoder = zapcore.NewConsoleEncoder(layout)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}
