package monitor

import (
	"io"
	"net/http"
)

// handler serves the paths below, to hosts that it knows, and returns 404 for
// all others.
func (s *Server) handler() http.Handler {
	page, policy := statusPage()
	routes := map[string]http.Handler{
		"/metrics": s.metrics.Handler(s.log),
		"/healthz": http.HandlerFunc(healthz),
		"/readyz":  http.HandlerFunc(s.readyz),
		"/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", policy)
			_, _ = w.Write(page)
		}),
		"/status.json": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, s.status())
		}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		route, known := routes[r.URL.Path]
		switch {
		case !s.hosts.know(r.Host):
			http.Error(w, "misdirected request: metrics_hosts does not name this host", http.StatusMisdirectedRequest)
		case !known:
			http.Error(w, "not found", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			route.ServeHTTP(w, r)
		}
	})
}

// healthz says that the process is alive, and nothing about stores: a restart
// would not make them reachable.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// readyz says whether requests should be sent here. With the query stores=any,
// one reachable store is enough.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answer, status := s.ready(r.Context(), r.URL.Query().Get("stores") == "any"), http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, answer)
}
