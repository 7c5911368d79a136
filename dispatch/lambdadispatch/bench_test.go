package lambdadispatch

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pushhooks/webhook/dispatch"
)

// BenchmarkSend measures attempts through the real SDK, at an API on loopback that does nothing:
// what an invocation costs this process, signing included.
func BenchmarkSend(b *testing.B) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer api.Close()
	for name, enveloped := range map[string]bool{"payload": false, "envelope": true} {
		b.Run(name, func(b *testing.B) {
			s, err := New(Options{EndpointURL: api.URL, Envelope: enveloped})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			b.SetParallelism(10) // attempts at once for each processor
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if out := s.Send(b.Context(), request("f")); out.Verdict != dispatch.Delivered {
						b.Errorf("got %+v", out)
						return
					}
				}
			})
		})
	}
}
