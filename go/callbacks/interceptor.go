package callbacks

import "context"

// Interceptor stands between whoever asks and the callback, whichever it is. It
// calls Do, at most once and on any goroutine, and returns its error, or its own.
type Interceptor func(ctx context.Context, call Call) error

// Call is one question on its way to its callback.
type Call interface {
	// Name returns the callback's.
	Name() string
	// Do asks the question.
	Do(ctx context.Context) error
	// Answer returns a pointer to the answer, once Do has returned nil.
	Answer() any

	crowd() crowd
	client() string
	take(Call) // the answer of another one, to the same question
}

// With returns the same callbacks, each behind these interceptors, the first of
// them outermost.
func (s Set) With(interceptors ...Interceptor) Set {
	for _, row := range table {
		row.intercept(&s, interceptors)
	}
	return s
}

// intercepted is a callback with what stands before it.
type intercepted[Q Question, A any] struct {
	name         string
	callback     Callback[Q, A]
	interceptors []Interceptor
}

// ask is a Callback.
func (i *intercepted[Q, A]) ask(ctx context.Context, question Q) (A, error) {
	c := &call[Q, A]{intercepted: i, question: question}
	if err := c.Do(ctx); err != nil {
		var none A // an answer that comes too late may be written at this moment
		return none, err
	}
	return c.answer, nil
}

// call is Call: one for each question, however many interceptors there are.
type call[Q Question, A any] struct {
	*intercepted[Q, A]
	question Q
	answer   A
	passed   int // interceptors
}

func (c *call[Q, A]) Name() string { return c.name }
func (c *call[Q, A]) Answer() any  { return &c.answer }
func (c *call[Q, A]) crowd() crowd { return c.question.crowd() }

func (c *call[Q, A]) client() string { return c.question.client() }

func (c *call[Q, A]) take(other Call) { c.answer = other.(*call[Q, A]).answer }

// Do goes on to the next interceptor, and after the last one to the callback.
func (c *call[Q, A]) Do(ctx context.Context) (err error) {
	if c.passed < len(c.interceptors) {
		c.passed++
		return c.interceptors[c.passed-1](ctx, c)
	}
	c.answer, err = c.callback(ctx, c.question)
	return err
}
