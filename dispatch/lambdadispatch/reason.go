package lambdadispatch

// Reasons of an Outcome, besides those of package dispatch. They are stable.
const (
	// ReasonFunctionError says that the function ran and failed: it returned an error, panicked,
	// exited or ran out of its own time. It is tried again.
	ReasonFunctionError = "function_error"

	// ReasonThrottled says that the function, the account or the API had no capacity. It is tried
	// again.
	ReasonThrottled = "throttled"

	// ReasonService says that Lambda failed, or that the function is being changed. It is tried
	// again.
	ReasonService = "service"

	// ReasonFunctionNotFound says that there is no such function, version or alias. It is not tried
	// again.
	ReasonFunctionNotFound = "function_not_found"

	// ReasonRejected says that Lambda refuses the invocation as it is. It is not tried again.
	ReasonRejected = "rejected"

	// ReasonAccessDenied says that the credentials may not invoke the function. It is tried again:
	// a permission takes a while to spread after it was granted, and may be granted within the
	// retry budget. After that, the job waits among the dead letters.
	ReasonAccessDenied = "access_denied"

	// ReasonCredentials says that there are no credentials, or that AWS takes them for expired or
	// wrong. It is tried again.
	ReasonCredentials = "credentials"

	// ReasonClient says that there was no client for the region, or that the client did not make
	// the call. It is tried again.
	ReasonClient = "client"
)
