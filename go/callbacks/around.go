package callbacks

import "context"

// Around is what is done around each question, whichever callback it is for. It
// lets the question ask, at most once and on any goroutine, and returns how that
// ended, or why it did not.
type Around func(ctx context.Context, question Asking) error

// Asking is one question on its way to its callback.
type Asking interface {
	// Name returns the callback's.
	Name() string
	// Ask asks it.
	Ask(ctx context.Context) error
	// Answer returns a pointer to what it answered, once Ask has returned nil.
	Answer() any

	crowd() crowd
}

// Around returns the same callbacks with all of that around each of them, the
// first outermost.
func (s Set) Around(around ...Around) Set {
	for _, row := range table {
		row.around(&s, around)
	}
	return s
}

// surrounded is a callback with what is around it.
type surrounded[Q Question, A any] struct {
	name     string
	callback Callback[Q, A]
	around   []Around
}

// ask is a Callback.
func (s *surrounded[Q, A]) ask(ctx context.Context, question Q) (A, error) {
	a := &asking[Q, A]{surrounded: s, question: question}
	if err := a.Ask(ctx); err != nil {
		var none A // an answer that comes too late may be written at this moment
		return none, err
	}
	return a.answer, nil
}

// asking is Asking: one for each question, however much is around it.
type asking[Q Question, A any] struct {
	*surrounded[Q, A]
	question Q
	answer   A
	passed   int // of what is around it
}

func (a *asking[Q, A]) Name() string { return a.name }
func (a *asking[Q, A]) Answer() any  { return &a.answer }
func (a *asking[Q, A]) crowd() crowd { return a.question.crowd() }

// Ask goes on to what comes next, and at last to the callback.
func (a *asking[Q, A]) Ask(ctx context.Context) (err error) {
	if a.passed < len(a.around) {
		a.passed++
		return a.around[a.passed-1](ctx, a)
	}
	a.answer, err = a.callback(ctx, a.question)
	return err
}
