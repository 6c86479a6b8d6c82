package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"osp/go/shared"
)

// fleet are the metrics of a replica that shares its state with others. They are
// read when a scrape asks for them.
type fleet struct{ stats func() shared.Stats }

var (
	sharedUp       = described("shared_state_up", "1 if the shared state can be used, 0 while no request waits for it.")
	sharedLease    = described("shared_state_lease", "1 if this replica may answer by what it remembers, 0 if it hears nothing of the others.")
	sharedReplicas = described("shared_state_replicas", "Replicas that share the state, as this one knows.")
	sharedBehind   = described("shared_state_revocations_behind", "Revocations that this replica knows of and has not applied yet.")
	sharedAnswers  = described("shared_state_answers_total", "Answers that this replica lacked: found (hit), asked for on behalf of all (miss), or not of this fleet (foreign).", "result")
	sharedCommands = described("shared_state_commands_total", "Round trips to the shared state for requests.")
	sharedFailures = described("shared_state_failures_total", "Round trips to the shared state that failed.")
	sharedSeconds  = described("shared_state_command_seconds_total", "Time that round trips to the shared state took, all together.")
	sharedLosses   = described("shared_state_losses_total", "How often the shared state was started anew or lost revocations, so that everything was forgotten.")
)

// Describe implements prometheus.Collector.
func (f *fleet) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sharedUp, sharedLease, sharedReplicas, sharedBehind, sharedAnswers, sharedCommands, sharedFailures, sharedSeconds, sharedLosses} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (f *fleet) Collect(to chan<- prometheus.Metric) {
	now := f.stats()
	gauge := func(d *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	counter := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	gauge(sharedUp, truth(!now.Away))
	gauge(sharedLease, truth(now.Leased))
	gauge(sharedReplicas, float64(now.Replicas))
	gauge(sharedBehind, float64(now.Behind))
	counter(sharedAnswers, float64(now.Hits), "hit")
	counter(sharedAnswers, float64(now.Misses), "miss")
	counter(sharedAnswers, float64(now.Foreign), "foreign")
	counter(sharedCommands, float64(now.Trips))
	counter(sharedFailures, float64(now.Failures))
	counter(sharedSeconds, now.Took.Seconds())
	counter(sharedLosses, float64(now.Lost))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
