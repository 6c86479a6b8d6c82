package accesslog

import (
	"log/slog"
	"strconv"
	"strings"
	"time"

	"osp/go/observe"
	"osp/go/wire"
)

// Format is the form of a line.
type Format string

// The formats, as config.AccessLogFormats names them.
const (
	JSON     Format = "json"
	Logfmt   Format = "logfmt"
	Combined Format = "combined" // of Apache's httpd and nginx, which has room for few of the fields
)

// longestText bounds each text that a client chose. Escaping makes it at most
// six times as long.
const longestText = 2048

func (f Format) line(b []byte, x *observe.Exchange) []byte {
	switch f {
	case Logfmt:
		return logfmt(b, x)
	case Combined:
		return combined(b, x)
	}
	return jsonLine(b, x)
}

// attributes are the fields of a line except for its time. Times are in
// seconds. The key is percent-encoded, as in AWS's own logs
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html),
// because a key may consist of any bytes.
func attributes(x *observe.Exchange) [25]slog.Attr {
	holder := x.Holder()
	return [...]slog.Attr{
		slog.String("request_id", x.RequestID),
		slog.String("client", x.Client),
		slog.String("access_key", observe.ShortKey(x.AccessKey)),
		slog.String("token", observe.ShortKey(holder.Token)),
		slog.String("role", shorten(holder.Role)),
		slog.String("session", shorten(holder.Name)),
		slog.String("method", shorten(x.Method)),
		slog.String("operation", x.Operation),
		slog.String("bucket", shorten(x.Bucket)),
		slog.String("key", wire.Encode(x.Key, wire.InPath)),
		slog.String("copy_source", wire.Encode(x.CopySource, wire.InPath)),
		slog.Int("status", x.Status),
		slog.String("code", x.Code),
		slog.String("refused_by", x.RefusedBy()),
		slog.String("limit", x.Limit.String()),
		slog.Int64("bytes_in", x.BytesIn),
		slog.Int64("bytes_out", x.BytesOut),
		slog.Int64("bytes_copied", x.BytesCopied),
		slog.Float64("total", x.Total.Seconds()),
		slog.Float64("upstream", x.Upstream.Seconds()),
		slog.Float64("callback", x.Callback.Seconds()),
		slog.Bool("presigned", x.Presigned),
		slog.String("scheme", x.Scheme),
		slog.String("protocol", x.Proto),
		slog.String("user_agent", shorten(x.UserAgent)),
	}
}

func ended(x *observe.Exchange) time.Time { return x.Begun.Add(x.Total).UTC() }

func jsonLine(b []byte, x *observe.Exchange) []byte {
	b = append(b, `{"time":"`...)
	b = ended(x).AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, '"')
	for _, a := range attributes(x) {
		b = append(b, ',', '"')
		b = append(b, a.Key...)
		b = append(b, '"', ':')
		if a.Value.Kind() == slog.KindString {
			b = quote(b, a.Value.String())
		} else {
			b = bare(b, a.Value)
		}
	}
	return append(b, '}')
}

func logfmt(b []byte, x *observe.Exchange) []byte {
	b = append(b, "time="...)
	b = ended(x).AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	for _, a := range attributes(x) {
		b = append(b, ' ')
		b = append(b, a.Key...)
		b = append(b, '=')
		switch {
		case a.Value.Kind() != slog.KindString:
			b = bare(b, a.Value)
		case plain(a.Value.String()):
			b = append(b, a.Value.String()...)
		default:
			b = quote(b, a.Value.String())
		}
	}
	return b
}

func bare(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindFloat64:
		return strconv.AppendFloat(b, v.Float64(), 'f', 6, 64)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	}
	return strconv.AppendInt(b, v.Int64(), 10)
}

// combined is the Combined Log Format
// (https://httpd.apache.org/docs/2.4/logs.html#combined). The query is left
// out, because it may be a presigned one.
func combined(b []byte, x *observe.Exchange) []byte {
	b = column(b, x.Client)
	b = append(b, " - "...)
	b = column(b, observe.ShortKey(x.AccessKey))
	b = x.Begun.UTC().AppendFormat(b, ` [02/Jan/2006:15:04:05 -0700] "`)
	b = hexEscaped(b, x.Method, false)
	b = append(b, ' ')
	b = hexEscaped(b, shorten(x.Path), false)
	b = append(b, ' ')
	b = hexEscaped(b, x.Proto, false)
	b = append(b, '"', ' ')
	b = strconv.AppendInt(b, int64(x.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, x.BytesOut, 10)
	for _, text := range []string{x.Referer, x.UserAgent} {
		b = append(b, ' ', '"')
		if text == "" {
			b = append(b, '-')
		}
		b = hexEscaped(b, shorten(text), false)
		b = append(b, '"')
	}
	return b
}

// column is a text between spaces.
func column(b []byte, text string) []byte {
	if text == "" {
		return append(b, '-')
	}
	return hexEscaped(b, text, true)
}

func shorten(text string) string {
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText], "") + "..."
}
