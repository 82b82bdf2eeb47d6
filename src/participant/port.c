#include "port.h"

int saga_port_receive(saga_port *port, const saga_frame *frames, size_t count)
{
	return port->receive(port->host, frames, count);
}

void saga_port_writable(saga_port *port)
{
	port->writable(port->host);
}

void saga_port_sent(saga_port *port, const saga_receipt *receipts, size_t count)
{
	port->sent(port->host, receipts, count);
}

void saga_port_refused(saga_port *port, uint64_t token, const char *why)
{
	if (port->refused)
		port->refused(port->host, token, why);
}

void saga_port_relents(saga_port *port)
{
	if (port->relents)
		port->relents(port->host);
}

void saga_port_broker(saga_port *port, const saga_broker *broker)
{
	if (port->broker)
		port->broker(port->host, broker);
}

void saga_port_looked(saga_port *port, uint64_t place, saga_id id, int64_t stored_at)
{
	if (port->looked)
		port->looked(port->host, place, id, stored_at);
}

void saga_port_looked_behind(saga_port *port, unsigned shard, uint64_t place, uint64_t found)
{
	if (port->looked_behind)
		port->looked_behind(port->host, shard, place, found);
}

void saga_port_settles(saga_port *port, int64_t ms)
{
	port->settle_ms = ms;
}

void saga_port_wants_json(saga_port *port)
{
	port->json = true;
}

void saga_port_state(saga_port *port, bool up, const char *text)
{
	port->state(port->host, up, text);
}

void saga_port_closed(saga_port *port)
{
	port->closed(port->host);
}

struct uv_loop_s *saga_port_loop(saga_port *port)
{
	return port->loop;
}
