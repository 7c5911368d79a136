package main

const childVariable = "WEBSOCKET_SERVER_TEST_CHILD"

func child() int { return 0 }
