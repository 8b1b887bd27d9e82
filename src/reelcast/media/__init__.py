"""Where access units come from: containers, folders, packetised groups. The only room that knows PyAV."""
