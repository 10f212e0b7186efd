package vault

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/claystack/dvkeys/hsm"
)

const openingKey = "opening a key"

// opening is one record that waits for the transit engine to open it.
type opening struct {
	ctx    context.Context
	item   openItem
	done   chan struct{} // closed when inside or err is set
	inside []byte        // still sealed under the store's own key
	err    error
}

// openItem is an element of the transit engine's batch_input.
type openItem struct {
	Ciphertext     string `json:"ciphertext"`
	AssociatedData []byte `json:"associated_data"`
}

// Up to maxBusy requests are on their way at a time; what comes meanwhile goes together into the next, up to maxOpenings
// in one.
const (
	maxBusy     = 4
	maxOpenings = 250
)

// enqueue has a record opened soon.
func (t *transitSealer) enqueue(o *opening) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, o)
	if t.busy < maxBusy {
		t.busy++
		go t.work()
	}
}

// work sends requests as long as somebody waits.
func (t *transitSealer) work() {
	for {
		t.mu.Lock()
		n := min(len(t.waiting), maxOpenings)
		batch := t.waiting[:n]
		t.waiting = t.waiting[n:]
		if n == 0 {
			t.waiting = nil
			t.busy--
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		t.openBatch(batch)
	}
}

// openBatch opens records in one request, which goes on until the last who waits has gone.
func (t *transitSealer) openBatch(batch []*opening) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, o := range batch {
		stop := context.AfterFunc(o.ctx, func() {
			for _, o := range batch {
				if o.ctx.Err() == nil {
					return
				}
			}
			cancel()
		})
		defer stop()
	}
	items := make([]openItem, len(batch))
	for i, o := range batch {
		items[i] = o.item
	}
	var answer struct {
		Results []struct {
			Plaintext []byte `json:"plaintext"`
			Error     string `json:"error"`
		} `json:"batch_results"`
	}
	// Without the last field one bad record would be an error of the whole request.
	body := map[string]any{"batch_input": items, "partial_failure_response_code": http.StatusOK}
	err := t.session.do(ctx, &request{doing: openingKey, method: http.MethodPut, path: t.path("decrypt"), body: body, read: into(&answer)})
	if err == nil && len(answer.Results) != len(batch) {
		err = &Error{Doing: openingKey, Fault: "the answer has another number of results than the request", is: hsm.ErrUnavailable}
	}
	if e := (*Error)(nil); errors.As(err, &e) && e.Status == http.StatusBadRequest {
		err = refused(e.Fault) // none of the records opens
	}
	for i, o := range batch {
		switch o.err = err; {
		case err != nil:
		case answer.Results[i].Error != "":
			o.err = refused(answer.Results[i].Error)
		default:
			o.inside = answer.Results[i].Plaintext
		}
		close(o.done)
	}
}

// refused is the error of a record that the transit engine does not open.
func refused(said string) error {
	said = strings.Join(strings.Fields(said), " ")
	if strings.Contains(said, "key not found") || strings.Contains(said, "disallowed by policy") {
		return &Error{Doing: openingKey, Fault: said, Remedy: "the transit key was deleted, or its version disabled", is: hsm.ErrDenied}
	}
	return corrupt(openingKey, "the transit engine does not open the record, which was altered or belongs to another key, label or store: %s", said)
}
